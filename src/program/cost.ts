import { type Buffer, bytesOf, elementCount, type Ref, type SymbolicSize } from './buffer.js'
import { type Operation, reads, writes } from './operation.js'
import { getBuffer, type Program } from './program.js'

/** The work of one step: for each sequence its new tokens, and its context length after them. */
export interface StepShape {
  readonly queries: readonly { readonly length: number; readonly context: number }[]
  readonly rows: number
}

/** What an operation must at least move and compute: every input read once, every output written once. */
export interface Cost {
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly flops: number
}

/** One prompt of `length` tokens from an empty cache, logits for its last token. */
export function promptShape(length: number): StepShape {
  return { queries: [{ length, context: length }], rows: 1 }
}

/** One token for each of `batch` sequences that hold `context` tokens with it. */
export function decodeShape(batch: number, context: number): StepShape {
  return { queries: Array.from({ length: batch }, () => ({ length: 1, context })), rows: batch }
}

/** Roofline cost of one operation. A multiply and an add count as two floating-point operations. */
export function costOf(program: Program, op: Operation, step: StepShape): Cost {
  const tokens = step.queries.reduce((sum, query) => sum + query.length, 0)
  const sizes = { tokens, rows: step.rows, sequences: step.queries.length, copies: 0, width: 0, blocks: 0 }
  const whole = (ref: Ref) => bufferBytes(getBuffer(program, ref), sizes)
  const count = (ref: Ref) => elementCount(getBuffer(program, ref).shape, sizes)
  const cost = {
    bytesRead: sum([...new Set(reads(op))].map(whole)),
    bytesWritten: sum(writes(op).map(whole)),
    flops: 0,
  }
  switch (op.kind) {
    case 'embed': {
      // One row of each table a token; a soft row takes the place of the first table's.
      const tables = [op.table, ...(op.positionTable ? [op.positionTable] : [])]
      const rowBytes = sum(tables.map((ref) => whole(op.out) * ratio(program, ref, op.out)))
      const unread = sum([...tables, ...(op.rows ? [op.rows] : [])].map(whole))
      const steps = tables.length - 1 + (op.scale === undefined ? 0 : 1)
      return { ...cost, bytesRead: cost.bytesRead - unread + rowBytes, flops: count(op.out) * steps }
    }
    case 'norm':
      return { ...cost, flops: count(op.out) * (6 + op.adds.length) }
    case 'add':
      return { ...cost, flops: count(op.out) }
    case 'linear':
    case 'logits': {
      const [n, k] = getBuffer(program, op.weight).shape as [number, number]
      const m = elementCount([getBuffer(program, op.x).shape[0]!], sizes)
      return { ...cost, flops: 2 * m * n * k }
    }
    case 'qkv-to-cache': {
      const width = (op.heads + 2 * op.kvHeads) * op.headDim
      const cached = bytesOf(getBuffer(program, op.keyCache).dtype, 2 * tokens * op.kvHeads * op.headDim)
      const row = bytesOf(getBuffer(program, op.q.buffer).dtype, tokens * width)
      const others = sum([op.positions, op.slots].map(whole))
      return {
        bytesRead: row + others,
        bytesWritten: whole(op.out) + cached,
        flops: tokens * width * (op.rotary ? 6 : 1),
      }
    }
    case 'attention': {
      const pairs = sum(step.queries.map(({ length, context }) => visiblePairs(length, context, op.window)))
      const read = sum(step.queries.map(({ length, context }) => visibleKeys(length, context, op.window)))
      const cached = bytesOf(getBuffer(program, op.keyCache).dtype, 2 * read * op.kvHeads * op.headDim)
      return { ...cost, bytesRead: whole(op.q) + cached, flops: 4 * pairs * op.heads * op.headDim }
    }
    case 'moe': {
      const [, n, hidden] = getBuffer(program, op.up).shape as [number, number, number]
      const inner = op.gated ? n / 2 : n
      const used = Math.min(op.experts, tokens * op.topK)
      const experts = ((whole(op.up) + whole(op.down)) * used) / op.experts
      const flops = 2 * tokens * (op.experts * hidden + op.topK * (n * hidden + inner * hidden))
      return { bytesRead: whole(op.x) + whole(op.router) + experts, bytesWritten: whole(op.out), flops }
    }
    case 'gather-rows':
      return { ...cost, bytesRead: whole(op.out) + whole(op.rows) }
    case 'sample':
      return { ...cost, flops: count(op.logits) * 4 }
    default:
      return cost
  }
}

/** Cost of the whole program. */
export function totalCost(program: Program, step: StepShape): Cost {
  const costs = program.operations.map((op) => costOf(program, op, step))
  return {
    bytesRead: sum(costs.map((cost) => cost.bytesRead)),
    bytesWritten: sum(costs.map((cost) => cost.bytesWritten)),
    flops: sum(costs.map((cost) => cost.flops)),
  }
}

/** Stored bytes of every weight, each counted once. */
export function weightBytes(program: Program): number {
  return sum([...program.buffers.values()].filter((buffer) => buffer.kind === 'weight').map((b) => bufferBytes(b, {})))
}

/** Bytes of keys and values that one token adds to the caches. */
export function cacheBytesPerToken(program: Program): number {
  const caches = [...program.buffers.values()].filter((buffer) => buffer.kind === 'cache')
  return sum(caches.map((buffer) => bytesOf(buffer.dtype, elementCount(buffer.shape.slice(2), {}))))
}

function bufferBytes(buffer: Buffer, sizes: Partial<Record<SymbolicSize, number>>): number {
  return bytesOf(buffer.dtype, elementCount(buffer.shape, sizes))
}

/** Storage of one element of `ref` relative to one of `other`. */
function ratio(program: Program, ref: Ref, other: Ref): number {
  return bytesOf(getBuffer(program, ref).dtype, 8) / bytesOf(getBuffer(program, other).dtype, 8)
}

/** Query-key pairs that a causal mask, and a window, leave. */
function visiblePairs(length: number, context: number, window = Number.POSITIVE_INFINITY): number {
  let pairs = 0
  for (let position = context - length; position < context; position++) pairs += Math.min(position + 1, window)
  return pairs
}

function visibleKeys(length: number, context: number, window = Number.POSITIVE_INFINITY): number {
  return Math.min(context, window + length - 1)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

import { WarplineError } from '../errors.js'
import type { Buffer, DataType, Dimension, Ref, Slice } from './buffer.js'
import { type HeadNorm, type Operation, reads, writes } from './operation.js'

/** A program that cannot be right is a defect of whatever built it; the error says which operation and why. */
export function fail(where: string, problem: string): never {
  throw new WarplineError('program-invalid', `${where}: ${problem}`)
}

type Buffers = ReadonlyMap<Ref, Buffer>

/** Shapes, types, kinds and order of writing, for one operation about to be appended. Marks what it writes. */
export function checkOperation(op: Operation, buffers: Buffers, written: Set<Ref>): void {
  const check = new Check(op, buffers)
  for (const ref of reads(op)) check.readable(ref, written)
  for (const ref of writes(op)) check.writable(ref, written)
  checkShapes(op, check)
  for (const ref of writes(op)) written.add(ref)
}

class Check {
  constructor(
    readonly op: Operation,
    private readonly buffers: Buffers,
  ) {}

  fail(problem: string): never {
    return fail(this.op.kind + ('out' in this.op ? ` -> ${this.op.out}` : ''), problem)
  }

  get(ref: Ref): Buffer {
    return this.buffers.get(ref) ?? this.fail(`no buffer is named ${ref}`)
  }

  readable(ref: Ref, written: Set<Ref>): void {
    const { kind } = this.get(ref)
    if ((kind === 'activation' || kind === 'output') && !written.has(ref))
      this.fail(`reads ${ref} before it is written`)
  }

  writable(ref: Ref, written: Set<Ref>): void {
    const { kind } = this.get(ref)
    if (kind === 'cache') return
    if (kind === 'weight' || kind === 'input') this.fail(`writes ${ref}, a ${kind}`)
    if (written.has(ref)) this.fail(`writes ${ref} a second time`)
  }

  /** The buffer's shape must be exactly this; `undefined` lets any size stand. */
  shape(ref: Ref, ...expected: (Dimension | undefined)[]): readonly Dimension[] {
    const { shape } = this.get(ref)
    const fits =
      shape.length === expected.length && expected.every((size, i) => size === undefined || size === shape[i])
    if (!fits) this.fail(`${ref} is [${shape}], expected [${expected.map((size) => size ?? 'any')}]`)
    return shape
  }

  type(ref: Ref, ...allowed: DataType[]): void {
    const { dtype } = this.get(ref)
    if (!allowed.includes(dtype)) this.fail(`${ref} is ${dtype}, expected ${allowed.join(' or ')}`)
  }

  kind(ref: Ref, expected: Buffer['kind']): void {
    const { kind } = this.get(ref)
    if (kind !== expected) this.fail(`${ref} is of kind ${kind}, expected ${expected}`)
  }

  sameAs(ref: Ref, other: Ref): void {
    this.shape(ref, ...this.get(other).shape)
    if (this.get(ref).dtype !== this.get(other).dtype) this.fail(`${ref} and ${other} differ in type`)
  }

  optional(ref: Ref | undefined, ...expected: Dimension[]): void {
    if (ref !== undefined) this.shape(ref, ...expected)
  }

  /** A step input of whole numbers. */
  integers(ref: Ref, ...expected: Dimension[]): void {
    this.shape(ref, ...expected)
    this.type(ref, 'i32')
  }

  positive(value: number, name: string): void {
    if (!(value > 0 && Number.isFinite(value))) this.fail(`${name} is ${value}; it must be positive`)
  }

  columns(ref: Ref): number {
    const shape = this.get(ref).shape
    const columns = shape[1]
    if (shape.length !== 2 || typeof columns !== 'number') this.fail(`${ref} is [${shape}], expected a matrix`)
    return columns
  }

  slice(slice: Slice, width: number): void {
    if (slice.width !== width) this.fail(`a slice of ${slice.buffer} is ${slice.width} wide, expected ${width}`)
    if (slice.offset < 0 || slice.offset + slice.width > this.columns(slice.buffer)) {
      this.fail(`columns ${slice.offset}..${slice.offset + slice.width} lie outside ${slice.buffer}`)
    }
    this.shape(slice.buffer, 'tokens', undefined)
  }
}

function checkShapes(op: Operation, check: Check): void {
  switch (op.kind) {
    case 'embed': {
      const [, hidden] = check.shape(op.table, undefined, undefined)
      check.integers(op.ids, 'tokens')
      check.optional(op.rows, 'tokens', hidden!)
      if ((op.positions === undefined) !== (op.positionTable === undefined)) {
        check.fail('positions and their table come together')
      }
      if (op.positions) check.integers(op.positions, 'tokens')
      if (op.positionTable) check.shape(op.positionTable, undefined, hidden)
      check.shape(op.out, 'tokens', hidden)
      return
    }
    case 'norm': {
      const width = check.columns(op.x)
      check.positive(op.epsilon, 'epsilon')
      for (const ref of [op.out, ...op.adds, ...(op.sum ? [op.sum] : [])]) check.sameAs(ref, op.x)
      check.optional(op.weight, width)
      check.optional(op.bias, width)
      if (op.sum && op.adds.length === 0) check.fail('a sum without anything added')
      return
    }
    case 'linear': {
      const [n] = check.shape(op.weight, undefined, check.columns(op.x))
      check.kind(op.weight, 'weight')
      check.optional(op.bias, n!)
      if (op.gated && !op.activation) check.fail('gated without an activation')
      if (op.gated && (op.multiply || op.residual)) check.fail('gated products take no further operand')
      const width = op.gated ? (n as number) / 2 : n!
      check.shape(op.out, check.get(op.x).shape[0], width)
      if (op.multiply) check.sameAs(op.multiply, op.out)
      if (op.residual) check.sameAs(op.residual, op.out)
      return
    }
    case 'add':
      check.sameAs(op.y, op.x)
      check.sameAs(op.out, op.x)
      return
    case 'qkv-to-cache': {
      checkHeads(op, check)
      check.slice(op.q, op.heads * op.headDim)
      check.slice(op.k, op.kvHeads * op.headDim)
      check.slice(op.v, op.kvHeads * op.headDim)
      for (const norm of [op.queryNorm, op.keyNorm]) if (norm) checkHeadNorm(norm, op.headDim, check)
      if (op.rotary) {
        const { dim, frequencies, dynamic, scale } = op.rotary
        if (dim % 2 !== 0 || dim > op.headDim || dim <= 0) check.fail(`rotates ${dim} of ${op.headDim} elements`)
        check.positive(scale, 'rotary scale')
        check.shape(frequencies, dim / 2)
        if (dynamic) check.integers(dynamic.lengths, 'tokens')
      }
      check.integers(op.positions, 'tokens')
      check.integers(op.slots, 'tokens')
      check.shape(op.out, 'tokens', op.heads * op.headDim)
      return
    }
    case 'attention':
      checkHeads(op, check)
      check.shape(op.q, 'tokens', op.heads * op.headDim)
      check.sameAs(op.out, op.q)
      check.positive(op.scale, 'scale')
      if (op.window !== undefined) check.positive(op.window, 'window')
      if (op.softCap !== undefined) check.positive(op.softCap, 'soft cap')
      check.optional(op.alibi, op.heads)
      if (op.alibiScale !== undefined) check.positive(op.alibiScale, 'alibi scale')
      check.integers(op.queryStarts, 'sequences')
      check.integers(op.contextLengths, 'sequences')
      check.integers(op.blockTables, 'sequences', 'width')
      return
    case 'moe': {
      const hidden = check.columns(op.x)
      check.shape(op.router, op.experts, hidden)
      const [, n] = check.shape(op.up, op.experts, undefined, hidden)
      const inner = op.gated ? (n as number) / 2 : n!
      check.shape(op.down, op.experts, hidden, inner)
      check.optional(op.upBias, op.experts, n!)
      check.optional(op.downBias, op.experts, hidden)
      if (op.topK < 1 || op.topK > op.experts) check.fail(`takes ${op.topK} of ${op.experts} experts`)
      check.sameAs(op.out, op.x)
      return
    }
    case 'all-reduce':
      check.sameAs(op.out, op.x)
      return
    case 'all-gather':
      if (check.columns(op.out) % check.columns(op.x) !== 0) check.fail('the ranks’ columns do not fill the result')
      return
    case 'send':
    case 'receive':
      return
    case 'gather-rows':
      check.integers(op.rows, 'rows')
      check.shape(op.x, 'tokens', check.columns(op.x))
      check.shape(op.out, 'rows', check.columns(op.x))
      return
    case 'copy-blocks':
      for (const cache of op.caches) check.kind(cache, 'cache')
      check.integers(op.pairs, 'copies', 2)
      return
    case 'logits': {
      const [vocabulary] = check.shape(op.weight, undefined, check.columns(op.x))
      check.optional(op.bias, vocabulary!)
      check.shape(op.out, 'rows', vocabulary)
      check.type(op.out, 'f32')
      if (op.softCap !== undefined) check.positive(op.softCap, 'soft cap')
      return
    }
    case 'sample':
      check.type(op.logits, 'f32')
      check.shape(op.sampling, 'rows')
      check.shape(op.out, 'rows')
  }
}

interface Heads {
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly keyCache: Ref
  readonly valueCache: Ref
}

function checkHeads(op: Heads, check: Check): void {
  if (op.heads % op.kvHeads !== 0) check.fail(`${op.heads} query heads do not share ${op.kvHeads} key heads evenly`)
  for (const cache of [op.keyCache, op.valueCache]) {
    check.kind(cache, 'cache')
    check.shape(cache, 'blocks', undefined, op.kvHeads, op.headDim)
  }
}

function checkHeadNorm(norm: HeadNorm, headDim: number, check: Check): void {
  check.positive(norm.epsilon, 'epsilon')
  check.optional(norm.weight, headDim)
  check.optional(norm.bias, headDim)
}

import type { DataType, Dimension, Ref } from '../../../src/program/buffer.js'
import type { Embed, Logits, Operation } from '../../../src/program/operation.js'
import { planMemory } from '../../../src/program/passes/plan-memory.js'
import { ProgramBuilder } from '../../../src/program/program.js'
import { tensor } from '../../../src/program/weight-source.js'
import { checkpointReader } from '../../../src/weights/weight-reader.js'
import { MemoryCheckpoint } from '../memory-checkpoint.js'
import { Random } from '../random.js'
import { type StepOptions, stepInputs } from '../steps.js'
import type { BuiltCase, CaseStorage, ExpectedStep } from './case.js'

const INPUTS: Record<Ref, readonly [DataType, ...Dimension[]]> = {
  ids: ['i32', 'tokens'],
  positions: ['i32', 'tokens'],
  'rotary-lengths': ['i32', 'tokens'],
  slots: ['i32', 'tokens'],
  'query-starts': ['i32', 'sequences'],
  'context-lengths': ['i32', 'sequences'],
  'block-tables': ['i32', 'sequences', 'width'],
  rows: ['i32', 'rows'],
  copies: ['i32', 'copies', 2],
  sampling: ['record', 'rows'],
}

const SPARE_TOKENS = 3

/** A sequence of one case: how many tokens each step adds. */
export interface Part {
  readonly count: number
  readonly cached: number
  readonly blocks: readonly number[]
  readonly promptLength?: number
}

/**
 * Makes the program of one case. Activations enter as `embed` operations from float32 tables with a row for every token of
 * every step (and more rows for the stale step), because a step's own inputs carry ids, not activations.
 */
export class CaseBuilder {
  readonly program: ProgramBuilder
  readonly random: Random
  private readonly checkpoint = new MemoryCheckpoint()
  /** Tokens of all steps together. */
  private readonly total: number
  readonly maxTokens: number

  constructor(
    readonly storage: CaseStorage,
    /** Tokens of each step. */
    readonly tokens: readonly number[],
    seed: number,
  ) {
    this.program = new ProgramBuilder('case')
    this.random = new Random(seed)
    this.total = tokens.reduce((sum, count) => sum + count, 0)
    this.maxTokens = Math.max(...tokens) + SPARE_TOKENS
  }

  input(name: Ref): Ref {
    const [dtype, ...shape] = INPUTS[name]!
    return this.once({ name, kind: 'input', dtype, shape })
  }

  softRows(width: number): Ref {
    return this.once({ name: 'soft-rows', kind: 'input', dtype: 'f32', shape: ['tokens', width] })
  }

  /** A matrix in the storage type of weights. */
  weight(name: Ref, shape: readonly number[], values = this.random.exact(count(shape))): Float32Array {
    return this.stored(name, shape, values, this.storage.weightType)
  }

  /** What programs keep in float32: biases, norm weights, frequencies. */
  vector(name: Ref, shape: readonly number[], values = this.random.exact(count(shape))): Float32Array {
    return this.stored(name, shape, values, 'f32')
  }

  activation(name: Ref, ...shape: Dimension[]): Ref {
    return this.program.buffer({ name, kind: 'activation', dtype: this.storage.activationType, shape })
  }

  cache(name: Ref, kvHeads: number, headDim: number): Ref {
    const shape: Dimension[] = ['blocks', this.storage.blockSize, kvHeads, headDim]
    return this.program.buffer({ name, kind: 'cache', dtype: this.storage.cacheType, shape })
  }

  /** An activation [tokens, width] with these values, or random ones, [tokens of all steps, width]. */
  operand(name: Ref, width: number, values = this.random.exact(this.total * width, 127 / 128)): Float32Array {
    const table = new Float32Array((this.total + this.maxTokens) * width)
    table.set(values)
    table.set(this.random.exact(this.maxTokens * width, 127 / 8), this.total * width)
    this.stored(`${name}.table`, [this.total + this.maxTokens, width], table, 'f32')
    const out = this.activation(name, 'tokens', width)
    this.add({ kind: 'embed', ids: this.input('ids'), table: `${name}.table`, out })
    return values
  }

  /** The same for rows: [rows, width], where every token is a row. */
  rowOperand(name: Ref, width: number): Float32Array {
    const values = this.operand(`${name}.tokens`, width)
    const out = this.activation(name, 'rows', width)
    this.add({ kind: 'gather-rows', x: `${name}.tokens`, rows: this.input('rows'), out })
    return values
  }

  add(operation: Operation): void {
    this.program.add(operation)
  }

  /** A case of one sequence, whose tokens all steps continue; `out` is [tokens, width]. */
  finish(out: Ref, expected: ArrayLike<number>, options: Partial<StepOptions> = {}): BuiltCase {
    return this.finishOne({ hidden: out, logits: out }, [{ hidden: expected }], { want: 'hidden', ...options })
  }

  /** The same for an `out` of [rows, width], read by way of a product with the identity matrix. */
  finishRows(out: Ref, expected: ArrayLike<number>, options: Partial<StepOptions> = {}): BuiltCase {
    const width = this.program.buffers.get(out)!.shape[1] as number
    const identity = Float32Array.from({ length: width * width }, (_, i) => (i % (width + 1) === 0 ? 1 : 0))
    this.weight('identity', [width, width], identity)
    return this.finishLogits({ kind: 'logits', x: out, weight: 'identity', out: 'read' }, expected, options)
  }

  /** Ends with a `logits` operation, whose `out` it declares. */
  finishLogits(op: Logits, expected: ArrayLike<number>, options: Partial<StepOptions> = {}): BuiltCase {
    const vocabulary = this.program.buffers.get(op.weight)!.shape[0]!
    this.program.buffer({ name: op.out, kind: 'activation', dtype: 'f32', shape: ['rows', vocabulary] })
    this.add(op)
    const tokens = this.program.operations.find(({ kind }) => kind === 'embed') as Embed
    return this.finishOne({ hidden: tokens.out, logits: op.out }, [{ logits: expected }], {
      want: 'logits',
      ...options,
    })
  }

  /** A case of one sequence that all steps continue. */
  finishOne(
    ends: { hidden: Ref; logits: Ref },
    expected: readonly ExpectedStep[],
    options: Partial<StepOptions> = {},
  ): BuiltCase {
    const blocks = Math.ceil(this.total / this.storage.blockSize)
    let cached = 0
    const schedule = this.tokens.map((count) => {
      const part = { count, cached, blocks: Array.from({ length: blocks }, (_, b) => b) }
      cached += count
      return { parts: [part] }
    })
    return this.finishSchedule(ends, blocks, schedule, expected, { rows: 'all', ...options })
  }

  /** A case whose steps are spelt out. Its blocks are 0 .. blocks - 1; others are added for the stale step. */
  finishSchedule(
    ends: { hidden: Ref; logits: Ref },
    blocks: number,
    schedule: readonly { readonly parts: readonly Part[]; readonly copies?: readonly number[] }[],
    expected: readonly ExpectedStep[],
    options: Partial<StepOptions> = {},
  ): BuiltCase {
    const { blockSize } = this.storage
    const { total, maxTokens } = this
    let id = 0
    const steps = schedule.map(({ parts, copies = [] }) =>
      stepInputs(
        parts.map((part) => ({ ...part, ids: Array.from({ length: part.count }, () => id++) })),
        { blockSize, copies, ...options },
      ),
    )
    const staleBlocks = Array.from({ length: Math.ceil(maxTokens / blockSize) }, (_, b) => blocks + b)
    const staleIds = Array.from({ length: maxTokens }, (_, t) => total + t)
    return {
      program: planMemory(this.program.finish(ends)),
      weights: checkpointReader(this.checkpoint),
      blocks: blocks + staleBlocks.length,
      maxTokens,
      maxRows: maxTokens,
      stale: stepInputs([{ ids: staleIds, cached: 0, blocks: staleBlocks }], { blockSize, rows: 'all' }),
      steps,
      expected,
    }
  }

  private stored(name: Ref, shape: readonly number[], values: Float32Array, dtype: DataType): Float32Array {
    const rows = [count(shape.slice(0, -1)), ...shape.slice(-1)]
    const stored = shape.length === 1 ? shape : rows
    this.checkpoint.add(name, stored, values)
    this.program.buffer({ name, kind: 'weight', dtype, shape, source: tensor(name, stored) })
    return values
  }

  private once(buffer: Parameters<ProgramBuilder['buffer']>[0]): Ref {
    return this.program.buffers.has(buffer.name) ? buffer.name : this.program.buffer(buffer)
  }
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

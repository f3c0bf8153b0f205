import type { BufferKind, DataType, Dimension, Ref } from './buffer.js'
import { type Cost, costOf, type StepShape } from './cost.js'
import { type Operation, reads, writes } from './operation.js'
import { getBuffer, type Program } from './program.js'

/** A buffer as an operation sees it. */
export interface BufferReport {
  readonly name: string
  readonly kind: BufferKind
  readonly dtype: DataType
  /** Numbers, and the names of sizes that change from step to step. */
  readonly shape: readonly Dimension[]
}

/** One operation of a program, and what it costs in a step of a given shape. */
export interface OperationReport {
  /** `linear` or `attention`, for example. */
  readonly kind: string
  readonly writes: readonly BufferReport[]
  readonly reads: readonly BufferReport[]
  /** `heads` or `activation`, for example; `rotary` says how many elements of a head turn, and how they pair. */
  readonly constants: Readonly<Record<string, number | boolean | string>>
  readonly cost: Cost
}

/** The program as data, in the order in which it runs. */
export function describeProgram(program: Program, step: StepShape): OperationReport[] {
  return program.operations.map((op) => ({
    kind: op.kind,
    writes: describeBuffers(program, writes(op)),
    reads: describeBuffers(program, reads(op)),
    constants: constantsOf(op),
    cost: costOf(program, op, step),
  }))
}

function describeBuffers(program: Program, refs: readonly Ref[]): BufferReport[] {
  return [...new Set(refs)].map((ref) => {
    const { name, kind, dtype, shape } = getBuffer(program, ref)
    return { name, kind, dtype, shape }
  })
}

const TEXT_CONSTANTS = new Set(['activation', 'norm'])

function constantsOf(op: Operation): Record<string, number | boolean | string> {
  const plain = Object.entries(op).filter(([key, value]) =>
    typeof value === 'string' ? TEXT_CONSTANTS.has(key) : typeof value === 'number' || typeof value === 'boolean',
  )
  const rotary = op.kind === 'qkv-to-cache' && op.rotary ? [['rotary', `${op.rotary.dim} ${op.rotary.pairs}`]] : []
  return Object.fromEntries([...plain, ...rotary])
}

import { WarplineError } from '../../errors.js'
import { type Buffer, elementCount, type Ref } from '../../program/buffer.js'
import type { Operation } from '../../program/operation.js'
import type { Program } from '../../program/program.js'
import { STORAGE } from './abi.js'
import { packingOf, requireFloat32 } from './storage.js'

/** A weight that products and embeddings read: one matrix, or equal ones one after another (experts). */
export interface MatrixPlan {
  readonly kind: 'matrix'
  readonly buffer: Buffer
  readonly storage: number
  readonly count: number
  readonly outputs: number
  readonly inputs: number
  readonly gated: boolean
}

/** A weight that is read as it is, in f32: biases, norms, frequencies, tables of positions. */
export interface VectorPlan {
  readonly kind: 'vector'
  readonly buffer: Buffer
  readonly elements: number
}

export type WeightPlan = MatrixPlan | VectorPlan

/** How each weight of a program is kept, in the program's order, by what its operations do with it. */
export function planWeights(program: Program): WeightPlan[] {
  const uses = matrixUses(program)
  return [...program.buffers.values()]
    .filter(({ kind }) => kind === 'weight')
    .map((buffer): WeightPlan => {
      const use = uses.get(buffer.name)
      if (use) return matrixPlan(program, buffer, use.gated)
      requireFloat32(program, buffer.name)
      return { kind: 'vector', buffer, elements: elementCount(buffer.shape, {}) }
    })
}

interface MatrixUse {
  readonly gated: boolean
}

function matrixUses(program: Program): Map<Ref, MatrixUse> {
  const uses = new Map<Ref, MatrixUse>()
  for (const op of program.operations) {
    for (const [ref, gated] of matricesOf(op)) {
      const known = uses.get(ref)
      if (known && known.gated !== gated) {
        throw new WarplineError('program-invalid', `${ref} is read both as a gated product's weight and as another's`)
      }
      uses.set(ref, { gated })
    }
  }
  return uses
}

function matricesOf(op: Operation): [Ref, boolean][] {
  switch (op.kind) {
    case 'linear':
      return [[op.weight, op.gated ?? false]]
    case 'logits':
      return [[op.weight, false]]
    case 'embed':
      return [[op.table, false]]
    case 'moe':
      return [
        [op.router, false],
        [op.up, op.gated],
        [op.down, false],
      ]
    default:
      return []
  }
}

/** The last dimension is the inputs, the one before it the outputs, and one before that counts matrices. */
function matrixPlan(program: Program, buffer: Buffer, gated: boolean): MatrixPlan {
  const shape = buffer.shape as readonly number[]
  const [outputs, inputs] = shape.slice(-2) as [number, number]
  const count = shape.slice(0, -2).reduce((product, size) => product * size, 1)
  return { kind: 'matrix', buffer, storage: STORAGE[packingOf(program, buffer)], count, outputs, inputs, gated }
}

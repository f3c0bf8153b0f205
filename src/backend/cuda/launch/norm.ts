import { WarplineError } from '../../../errors.js'
import type { Norm } from '../../../program/operation.js'
import { struct } from '../../structs.js'
import { TYPE_BYTES } from '../codes.js'
import { ceilDiv, type Launch, type Places, parametersOf, type StepSizes } from './launch.js'
import { optional } from './optional.js'

/** `NormKind` of native/cuda/norm/row.cuh. */
export const NORM_KIND = { layer: 1, rms: 2 } as const

export const NORM_PARAMS = struct({
  x: 'pointer',
  add0: 'pointer',
  add1: 'pointer',
  add2: 'pointer',
  add3: 'pointer',
  add4: 'pointer',
  add5: 'pointer',
  add6: 'pointer',
  add7: 'pointer',
  weight: 'pointer',
  bias: 'pointer',
  sum: 'pointer',
  out: 'pointer',
  rows: 'i32',
  width: 'i32',
  add_count: 'i32',
  kind: 'i32',
  epsilon: 'f32',
})

const MOST_ADDS = 8
const WARPS_PER_BLOCK = 4

/** How a row is worked on: by a warp or a block, a thread holding 1, 2 or 4 vectors of 16 bytes, or plainly. */
interface Form {
  readonly name: 'warp1' | 'warp2' | 'warp4' | 'block1' | 'block2' | 'block4' | 'plain'
  readonly threads: number
  readonly rowsPerBlock: number
}

/** By the width alone, so that a row never depends on how many stand beside it. */
function formFor(width: number, bytes: number): Form {
  const vectors = (width * bytes) / 16
  if (!Number.isInteger(vectors) || vectors > 4096) {
    return { name: 'plain', threads: Math.min(1024, ceilDiv(width, 32) * 32), rowsPerBlock: 1 }
  }
  for (const held of [1, 2, 4] as const) {
    if (vectors <= 32 * held)
      return { name: `warp${held}`, threads: 32 * WARPS_PER_BLOCK, rowsPerBlock: WARPS_PER_BLOCK }
  }
  const held = vectors <= 512 ? 1 : vectors <= 1024 ? 2 : 4
  return { name: `block${held}`, threads: ceilDiv(vectors, held * 32) * 32, rowsPerBlock: 1 }
}

export function normLaunches(op: Norm, at: Places, sizes: StepSizes): Launch[] {
  if (op.adds.length > MOST_ADDS) {
    throw new WarplineError('program-invalid', `a norm adds ${op.adds.length} buffers; at most ${MOST_ADDS} fit`)
  }
  const rows = at.rowsOf(op.x, sizes)
  if (rows === 0) return []
  const type = at.typeOf(op.x)
  const width = at.widthOf(op.x)
  const form = formFor(width, TYPE_BYTES[type])
  const shared = form.name === 'plain' ? width * 4 : 0
  if (shared + 1024 > at.device.sharedPerBlock) {
    throw new WarplineError(
      'program-invalid',
      `a norm's rows of ${width} elements are longer than a block of this device holds; at most ${Math.floor(at.device.sharedPerBlock / 4) - 256}`,
    )
  }
  const add = (i: number) => optional(op.adds[i], at)
  const parameters = parametersOf(NORM_PARAMS, {
    x: at.of(op.x),
    add0: add(0),
    add1: add(1),
    add2: add(2),
    add3: add(3),
    add4: add(4),
    add5: add(5),
    add6: add(6),
    add7: add(7),
    weight: optional(op.weight, at),
    bias: optional(op.bias, at),
    sum: optional(op.sum, at),
    out: at.of(op.out),
    rows,
    width,
    add_count: op.adds.length,
    kind: NORM_KIND[op.norm],
    epsilon: op.epsilon,
  })
  return [
    {
      module: 'norm',
      kernel: `norm_${form.name}_${type}`,
      grid: [ceilDiv(rows, form.rowsPerBlock), 1, 1],
      threads: form.threads,
      ...(shared > 0 && { shared }),
      parameters,
    },
  ]
}

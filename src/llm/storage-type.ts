import { WarplineError } from '../errors.js'
import type { DataType } from '../program/buffer.js'
import type { CheckpointDtype } from '../weights/dtype.js'

const SIXTEEN_BITS: Partial<Record<CheckpointDtype, DataType>> = { BF16: 'bf16', F16: 'f16' }

interface StoredTensor {
  readonly dtype: CheckpointDtype
  readonly shape: readonly number[]
}

/**
 * What `dtype: 'auto'` keeps of a checkpoint: the 16-bit type that most of its numbers have, since nothing is gained by
 * widening them, unless its configuration says that the model computes in float32. Of other checkpoints nothing, so that the
 * device's best choice stands and no accuracy is given away unasked.
 */
export function checkpointType(
  tensors: ReadonlyMap<string, StoredTensor>,
  config: Readonly<Record<string, unknown>>,
): DataType | undefined {
  if ((config.dtype ?? config.torch_dtype) === 'float32') return undefined
  const counts = new Map<CheckpointDtype, number>()
  for (const { dtype, shape } of tensors.values()) {
    counts.set(dtype, (counts.get(dtype) ?? 0) + shape.reduce((product, size) => product * size, 1))
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1])
  return most && SIXTEEN_BITS[most[0]]
}

/** The storage type to use: what was asked for, or (`auto`) the preferred one if the device has it, or the device's best. */
export function storageType(
  option: string,
  asked: string | undefined,
  offered: readonly DataType[],
  device: string,
  preferred?: DataType,
): DataType {
  const [best] = offered as [DataType]
  if (asked === undefined || asked === 'auto') return offered.find((type) => type === preferred) ?? best
  const found = offered.find((type) => type === asked)
  if (!found) {
    throw new WarplineError(
      'dtype-unsupported',
      `${option} ${asked}: the ${device} device stores ${offered.join(', ')}`,
    )
  }
  return found
}

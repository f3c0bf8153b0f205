import { WarplineError } from '../errors.js'
import type { RandomValues, TensorPart, WeightPart, WeightReader, WeightSource } from '../program/weight-source.js'
import { type Checkpoint, readConfig } from './checkpoint.js'

/**
 * A model directory of which only config.json is read: its weights are made up (see `randomReader`), for timing models that one
 * does not have. Errors: those of reading config.json.
 */
export async function openWithoutWeights(directory: string): Promise<Checkpoint> {
  const config = await readConfig(directory)
  const none = async () => {
    throw new WarplineError('weight-missing', `${directory} was opened without its weights`)
  }
  const close = async () => {}
  const reading = { read: none, readInto: none, readFloat32: none }
  return { directory, config, tensors: new Map(), ...reading, close, [Symbol.asyncDispose]: close }
}

/**
 * Weights of any shape: uniform around 0 with variance 1 / inputs, so that activations keep their size through products; weights of
 * norms around 1. What the configuration determines (rotary frequencies) is as it must be. The same seed gives the same model on
 * every backend, up to the rounding of its storage type.
 */
export function randomReader(seed = 0): WeightReader {
  const random = (part: TensorPart) => valuesOf(part, seed)
  return {
    random,
    async readRows(source: WeightSource, first: number, count: number) {
      const width = source.parts[0]!.shape.slice(1).reduce((product, size) => product * size, 1)
      const out = new Float32Array(count * width)
      let start = 0
      for (const part of source.parts) {
        const end = start + part.shape[0]!
        const [from, to] = [Math.max(first, start), Math.min(first + count, end)]
        if (from < to)
          fill(part, (from - start) * width, out.subarray((from - first) * width, (to - first) * width), random)
        start = end
      }
      return out
    },
  }
}

const BIAS_SCALE = 0.02
/** Norm weights differ a little from one another, as real ones do. */
const NORM_SCALE = 0.05

function valuesOf({ tensor, shape }: TensorPart, seed: number): RandomValues {
  const own = hashText(tensor) ^ mix(seed >>> 0)
  if (shape.length > 1) return { seed: own >>> 0, mean: 0, scale: shape.at(-1)! ** -0.5 }
  const isNorm = tensor.endsWith('.weight')
  return { seed: own >>> 0, mean: isNorm ? 1 : 0, scale: isNorm ? NORM_SCALE : BIAS_SCALE }
}

function fill(part: WeightPart, first: number, out: Float32Array, random: (part: TensorPart) => RandomValues): void {
  if (part.kind === 'zeros') return
  if (part.kind === 'constant') {
    for (let i = 0; i < out.length; i++) out[i] = part.values[first + i]!
    return
  }
  const { seed, mean, scale } = random(part)
  const spread = Math.fround(Math.fround(scale) * Math.fround(3 ** 0.5))
  for (let i = 0; i < out.length; i++) {
    const index = first + i
    const bits = mix((index ^ mix(seed ^ Math.floor(index / 2 ** 32))) >>> 0)
    const uniform = Math.fround(Math.fround(bits * 2 ** -31) - 1)
    out[i] = Math.fround(Math.fround(mean) + Math.fround(spread * uniform))
  }
}

/** Finaliser of MurmurHash3 (Appleby); native/cuda/random.cu computes the same. */
function mix(value: number): number {
  let x = value | 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

/** FNV-1a. */
function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

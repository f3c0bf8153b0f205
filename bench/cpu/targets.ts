import type { GgufType } from './models/gguf-model.js'
import type { OnnxType } from './models/onnx-products.js'
import type { Family } from './shapes.js'

/** How weights are stored. */
export const STORAGES = ['f32', 'f16', 'bf16', 'int8', 'int4'] as const
export type Storage = (typeof STORAGES)[number]

export type RivalName = `llama.cpp ${GgufType}` | `onnxruntime ${OnnxType}`

/** Warpline's rate over the fastest of these must reach `times`. */
export interface AtLeast {
  readonly times: number
  readonly of: readonly RivalName[]
}

export interface Contest {
  /** Who stores weights as finely; decoding is compared with the fastest of them. */
  readonly peers: readonly RivalName[]
  /** Prompt processing: all of these. */
  readonly prompt: readonly AtLeast[]
  /** Bytes of a stored weight, its share of scales included. */
  readonly weightBytes: number
  /** The instruction that bounds its products. */
  readonly arithmetic: 'f32' | 'bf16' | 'int8'
  /** Largest error of log-probabilities, relative to their deviation, that the storage explains. */
  readonly tolerance: number
}

/** What Warpline must reach, by storage; every rival that a target names runs beside it. */
export const CONTESTS: Readonly<Record<Storage, Contest>> = {
  f32: {
    peers: ['onnxruntime FP32'],
    prompt: [{ times: 1.1, of: ['onnxruntime FP32'] }],
    ...{ weightBytes: 4, arithmetic: 'f32', tolerance: 2e-4 },
  },
  f16: {
    peers: ['llama.cpp F16'],
    prompt: [],
    ...{ weightBytes: 2, arithmetic: 'f32', tolerance: 2e-2 },
  },
  bf16: {
    peers: ['llama.cpp BF16'],
    prompt: [
      { times: 1.9, of: ['onnxruntime FP32'] },
      { times: 2.5, of: ['llama.cpp BF16'] },
    ],
    ...{ weightBytes: 2, arithmetic: 'bf16', tolerance: 2e-2 },
  },
  int8: {
    peers: ['llama.cpp Q8_0', 'onnxruntime INT8'],
    prompt: [{ times: 1.2, of: ['onnxruntime INT8'] }],
    ...{ weightBytes: 1 + 2 / 32, arithmetic: 'int8', tolerance: 0.15 },
  },
  int4: {
    peers: ['llama.cpp Q4_0', 'onnxruntime INT4'],
    prompt: [{ times: 2, of: ['llama.cpp Q4_0', 'onnxruntime INT4'] }],
    ...{ weightBytes: 1 / 2 + 2 / 32, arithmetic: 'int8', tolerance: 0.75 },
  },
}

/** Decoding, by sequences that decode together: the smaller of a multiple of the best peer and a share of the limit. */
export const DECODE: Readonly<Record<number, { readonly times: number; readonly ofLimit: number }>> = {
  1: { times: 1.25, ofLimit: 0.85 },
  8: { times: 2, ofLimit: 0.85 },
}

/** Seconds from the start of a process to its first new token, at most. */
export const FIRST_TOKEN: Partial<Record<Family, number>> = { gpt2: 1 }

/** All that run beside Warpline for a storage. */
export function rivalsOf(storage: Storage): RivalName[] {
  const { peers, prompt } = CONTESTS[storage]
  return [...new Set([...peers, ...prompt.flatMap(({ of }) => of)])]
}

import type { Activation, OperationKind } from '../../program/operation.js'
import { type Fields, type Struct, struct } from '../structs.js'

/** native/cpu/abi.h and commands.h in TypeScript; test/backend/cpu/abi.test.ts holds the two against each other. */
export const ABI_VERSION = 2
export const COMMAND_BYTES = 256

/** wl_storage */
export const STORAGE = { f32: 0, bf16: 1, f16: 2, int8: 3, int8Group32: 4, int4Group32: 5, int4Group128: 6 } as const
export type Storage = keyof typeof STORAGE

/** wl_cache_type, and bytes of an element. */
export const CACHE = { f32: { type: 0, bytes: 4 }, bf16: { type: 1, bytes: 2 }, f16: { type: 2, bytes: 2 } } as const
export type CacheStorage = keyof typeof CACHE

/** wl_activation; 0 leaves a number as it is. */
export const ACTIVATION: Readonly<Record<Activation, number>> = {
  relu: 1,
  relu2: 2,
  gelu: 3,
  'gelu-tanh': 4,
  'gelu-quick': 5,
  silu: 6,
  tanh: 7,
}

/** wl_norm_kind */
export const NORM = { none: 0, layer: 1, rms: 2 } as const

/** wl_size */
export const SIZE = { tokens: 0, rows: 1, sequences: 2, copies: 3, blocks: 4, width: 5 } as const
export const SIZES = 8

/** wl_sampling_mode */
export const SAMPLING_MODE = { skip: 0, draw: 1, beam: 2, score: 3 } as const

/** wl_sample_failure */
export const SAMPLE_FAILURES = [undefined, 'logits-not-finite', 'nothing-allowed'] as const

/** Norms take this many summands besides the first. */
export const MOST_ADDS = 8

export const MATRIX = struct({ data: 'pointer', outputs: 'i32', inputs: 'i32', storage: 'i32', gated: 'i32' })

export const LINEAR = struct({
  weight: MATRIX,
  x: 'pointer',
  bias: 'pointer',
  multiply: 'pointer',
  residual: 'pointer',
  out: 'pointer',
  x_stride: 'i64',
  multiply_stride: 'i64',
  residual_stride: 'i64',
  out_stride: 'i64',
  scale: 'f32',
  soft_cap: 'f32',
  activation: 'i32',
  reserved: 'i32',
})

export const EMBED = struct({
  table: MATRIX,
  ids: 'pointer',
  rows: 'pointer',
  positions: 'pointer',
  position_table: 'pointer',
  out: 'pointer',
  id_offset: 'i32',
  position_offset: 'i32',
  scale: 'f32',
  reserved: 'i32',
})

export const NORM_PARAMETERS = struct({
  x: 'pointer',
  adds: ['pointer', MOST_ADDS],
  weight: 'pointer',
  bias: 'pointer',
  sum: 'pointer',
  out: 'pointer',
  width: 'i32',
  add_count: 'i32',
  kind: 'i32',
  epsilon: 'f32',
})

export const ADD = struct({ x: 'pointer', y: 'pointer', out: 'pointer', width: 'i64' })

export const TURNS = struct({
  frequencies: 'pointer',
  positions: 'pointer',
  lengths: 'pointer',
  out: 'pointer',
  theta: 'f64',
  factor: 'f64',
  original: 'f64',
  scale: 'f32',
  dim: 'i32',
})

export const QKV = struct({
  q: 'pointer',
  k: 'pointer',
  v: 'pointer',
  q_stride: 'i64',
  k_stride: 'i64',
  v_stride: 'i64',
  q_weight: 'pointer',
  q_bias: 'pointer',
  k_weight: 'pointer',
  k_bias: 'pointer',
  turns: 'pointer',
  slots: 'pointer',
  key_cache: 'pointer',
  value_cache: 'pointer',
  out: 'pointer',
  heads: 'i32',
  kv_heads: 'i32',
  head_dim: 'i32',
  block_size: 'i32',
  cache_type: 'i32',
  rotary_dim: 'i32',
  interleaved: 'i32',
  q_norm: 'i32',
  k_norm: 'i32',
  q_epsilon: 'f32',
  k_epsilon: 'f32',
  reserved: 'i32',
})

export const ATTENTION = struct({
  q: 'pointer',
  key_cache: 'pointer',
  value_cache: 'pointer',
  alibi: 'pointer',
  query_starts: 'pointer',
  context_lengths: 'pointer',
  block_tables: 'pointer',
  out: 'pointer',
  heads: 'i32',
  kv_heads: 'i32',
  head_dim: 'i32',
  block_size: 'i32',
  cache_type: 'i32',
  window: 'i32',
  scale: 'f32',
  soft_cap: 'f32',
  alibi_scale: 'f32',
  reserved: 'i32',
})

export const MOE = struct({
  router: MATRIX,
  up: MATRIX,
  down: MATRIX,
  up_bytes: 'i64',
  down_bytes: 'i64',
  x: 'pointer',
  up_bias: 'pointer',
  down_bias: 'pointer',
  out: 'pointer',
  experts: 'i32',
  top_k: 'i32',
  renormalise: 'i32',
  activation: 'i32',
})

export const GATHER_ROWS = struct({ x: 'pointer', rows: 'pointer', out: 'pointer', width: 'i64' })

export const CACHE_ENTRY = struct({ data: 'pointer', block_bytes: 'i64' })

export const COPY_BLOCKS = struct({ caches: 'pointer', pairs: 'pointer', count: 'i64' })

export const SAMPLING = struct({
  processed: 'pointer',
  allowed: 'pointer',
  ids: 'pointer',
  logprobs: 'pointer',
  ranks: 'pointer',
  raw_logprobs: 'pointer',
  uniform: 'f64',
  top_p: 'f64',
  min_p: 'f64',
  temperature: 'f64',
  mode: 'i32',
  top_k: 'i32',
  top: 'i32',
  candidates: 'i32',
  report: 'i32',
  target: 'i32',
})

export const SAMPLED = struct({
  token: 'i32',
  failure: 'i32',
  rank: 'i32',
  logprob: 'f32',
  top: 'i32',
  candidates: 'i32',
})

export const SAMPLE = struct({ logits: 'pointer', rows: 'pointer', results: 'pointer', vocabulary: 'i64' })

/** wl_opcode and parameters. Logits are a product; `turns` is no operation of a program but a part of some. */
export const OPCODES = {
  linear: { opcode: 1, parameters: LINEAR },
  logits: { opcode: 1, parameters: LINEAR },
  embed: { opcode: 2, parameters: EMBED },
  norm: { opcode: 3, parameters: NORM_PARAMETERS },
  add: { opcode: 4, parameters: ADD },
  turns: { opcode: 5, parameters: TURNS },
  'qkv-to-cache': { opcode: 6, parameters: QKV },
  attention: { opcode: 7, parameters: ATTENTION },
  moe: { opcode: 8, parameters: MOE },
  'gather-rows': { opcode: 9, parameters: GATHER_ROWS },
  'copy-blocks': { opcode: 10, parameters: COPY_BLOCKS },
  sample: { opcode: 11, parameters: SAMPLE },
} as const satisfies Partial<Record<OperationKind | 'turns', { opcode: number; parameters: Struct<Fields> }>>

export type CommandKind = keyof typeof OPCODES

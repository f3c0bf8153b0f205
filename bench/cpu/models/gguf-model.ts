import { headDim, type Shape } from '../shapes.js'
import { toHalves, toQ4, toQ8 } from './blocks.js'
import { type GgmlType, type GgufTensor, type MetadataValue, writeGguf } from './gguf.js'
import { valuesOf, widen } from './values.js'
import { type Weight, weightsOf } from './weights.js'

export type GgufType = Exclude<GgmlType, 'F32'>

/** llama.cpp's number for "mostly" that type. */
const FILE_TYPE: Readonly<Record<GgufType, number>> = { F16: 1, Q4_0: 2, Q8_0: 7, BF16: 32 }

const LAYER_NAMES: Readonly<Record<string, string>> = {
  'attention-norm': 'attn_norm',
  qkv: 'attn_qkv',
  query: 'attn_q',
  key: 'attn_k',
  value: 'attn_v',
  output: 'attn_output',
  'feed-forward-norm': 'ffn_norm',
  gate: 'ffn_gate',
  up: 'ffn_up',
  down: 'ffn_down',
}

const OUTER_NAMES: Readonly<Record<string, string>> = {
  embedding: 'token_embd',
  positions: 'position_embd',
  norm: 'output_norm',
  head: 'output',
}

/** The model as llama.cpp reads it: every matrix in one type (what its quantiser calls pure), all else in F32. */
export async function writeGgufModel(shape: Shape, type: GgufType, path: string): Promise<void> {
  const tensors = weightsOf(shape).map((weight) => tensor(shape, weight, type))
  await writeGguf(path, { ...architecture(shape), ...vocabulary(shape), ...general(shape, type) }, tensors)
}

function tensor(shape: Shape, weight: Weight, type: GgufType): GgufTensor {
  const { id, rows, columns, kind } = weight
  const plain = kind !== 'matrix' || id === 'positions'
  return {
    name: nameOf(id),
    type: plain ? 'F32' : type,
    sizes: kind === 'matrix' ? [columns, rows] : [columns],
    data: () => {
      const values = rotaryOrder(shape, weight, valuesOf(weight))
      return plain ? bytesOf(widen(values)) : encode(values, type)
    },
  }
}

function encode(values: Uint16Array, type: GgufType): Uint8Array {
  switch (type) {
    case 'BF16':
      return bytesOf(values)
    case 'F16':
      return bytesOf(toHalves(values))
    case 'Q8_0':
      return toQ8(widen(values))
    case 'Q4_0':
      return toQ4(widen(values))
  }
}

/**
 * llama.cpp turns neighbouring rows of a Llama's query and key heads together, Hugging Face row i with row i + half: rows
 * (0, half, 1, half + 1, ...) of each head.
 */
function rotaryOrder(shape: Shape, { id, columns }: Weight, values: Uint16Array): Uint16Array {
  if (!/\.(query|key)$/.test(id)) return values
  const dim = headDim(shape)
  const ordered = new Uint16Array(values.length)
  for (let row = 0; row < values.length / columns; row++) {
    const inHead = row % dim
    const source = row - inHead + (inHead % 2) * (dim / 2) + (inHead >> 1)
    ordered.set(values.subarray(source * columns, (source + 1) * columns), row * columns)
  }
  return ordered
}

function nameOf(id: string): string {
  const suffix = id.endsWith('.bias') ? 'bias' : 'weight'
  const [, layer, part] = /^layers\.(\d+)\.([^.]+)/.exec(id) ?? []
  const name = layer === undefined ? OUTER_NAMES[id.replace('.bias', '')] : `blk.${layer}.${LAYER_NAMES[part!]}`
  return `${name}.${suffix}`
}

function architecture(shape: Shape): Record<string, MetadataValue> {
  const { family, layers, hidden, heads, kvHeads, inner, positions } = shape
  const common = {
    'general.architecture': { text: family },
    [`${family}.block_count`]: { u32: layers },
    [`${family}.context_length`]: { u32: positions },
    [`${family}.embedding_length`]: { u32: hidden },
    [`${family}.feed_forward_length`]: { u32: inner },
    [`${family}.attention.head_count`]: { u32: heads },
  }
  if (family === 'gpt2') return { ...common, 'gpt2.attention.layer_norm_epsilon': { f32: 1e-5 } }
  return {
    ...common,
    'llama.attention.head_count_kv': { u32: kvHeads },
    'llama.attention.layer_norm_rms_epsilon': { f32: 1e-5 },
    'llama.rope.dimension_count': { u32: headDim(shape) },
    'llama.rope.freq_base': { f32: 10_000 },
    'llama.vocab_size': { u32: shape.vocabulary },
  }
}

/** llama.cpp refuses a model without a tokenizer: one of made-up words, never used, as the benchmark gives token ids. */
function vocabulary({ vocabulary: size }: Shape): Record<string, MetadataValue> {
  return {
    'tokenizer.ggml.model': { text: 'gpt2' },
    'tokenizer.ggml.pre': { text: 'gpt-2' },
    'tokenizer.ggml.tokens': { texts: Array.from({ length: size }, (_, i) => `w${i}`) },
    'tokenizer.ggml.token_type': { i32s: new Array<number>(size).fill(1) },
    'tokenizer.ggml.merges': { texts: ['w 0'] },
    'tokenizer.ggml.bos_token_id': { u32: 0 },
    'tokenizer.ggml.eos_token_id': { u32: 0 },
  }
}

function general({ title }: Shape, type: GgufType): Record<string, MetadataValue> {
  return {
    'general.name': { text: `${title}, random weights` },
    'general.file_type': { u32: FILE_TYPE[type] },
    'general.quantization_version': { u32: 2 },
  }
}

function bytesOf(values: Uint16Array | Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

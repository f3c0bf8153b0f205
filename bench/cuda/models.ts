import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A model of random weights: its config.json and what its weights and cache weigh. */
export interface BenchModel {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  /** Weights that a decoded token reads: all but the token embedding's rows that are not looked up. */
  readonly parameters: number
  /** Numbers of K and V that one token adds to the cache. */
  readonly cacheNumbers: number
}

function gpt(name: string, layers: number, hidden: number, heads: number): BenchModel {
  const vocabulary = 51200
  const config = {
    model_type: 'gpt2',
    architectures: ['GPT2LMHeadModel'],
    ...{ n_layer: layers, n_embd: hidden, n_head: heads, n_positions: 2048, vocab_size: vocabulary },
    activation_function: 'gelu_new',
    tie_word_embeddings: true,
  }
  return {
    name,
    config,
    parameters: layers * 12 * hidden ** 2 + vocabulary * hidden,
    cacheNumbers: 2 * layers * hidden,
  }
}

interface LlamaShape {
  readonly layers: number
  readonly hidden: number
  readonly inner: number
  readonly heads: number
  readonly kvHeads: number
  readonly vocabulary: number
  readonly positions: number
  readonly theta: number
}

function llama(name: string, shape: LlamaShape): BenchModel {
  const { layers, hidden, inner, heads, kvHeads, vocabulary, positions, theta } = shape
  const kv = (hidden / heads) * kvHeads
  const config = {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    ...{ num_hidden_layers: layers, hidden_size: hidden, intermediate_size: inner },
    ...{ num_attention_heads: heads, num_key_value_heads: kvHeads, vocab_size: vocabulary },
    ...{ max_position_embeddings: positions, rope_theta: theta, rms_norm_eps: 1e-5, hidden_act: 'silu' },
    tie_word_embeddings: false,
  }
  const layer = 2 * hidden ** 2 + 2 * hidden * kv + 3 * hidden * inner
  return { name, config, parameters: layers * layer + vocabulary * hidden, cacheNumbers: 2 * layers * kv }
}

/** FasterTransformer's guide: GPT shapes by their usual names. */
export const GPT_MODELS = {
  '6.7B': gpt('gpt-6.7b', 32, 4096, 32),
  '1.3B': gpt('gpt-1.3b', 24, 2048, 16),
  '350M': gpt('gpt-350m', 24, 1024, 16),
} as const

export const LLAMA_MODELS = {
  'llama-2-7b': llama('llama-2-7b', {
    ...{ layers: 32, hidden: 4096, inner: 11008, heads: 32, kvHeads: 32, vocabulary: 32000 },
    ...{ positions: 4096, theta: 10_000 },
  }),
  'llama-3.1-8b': llama('llama-3.1-8b', {
    ...{ layers: 32, hidden: 4096, inner: 14336, heads: 32, kvHeads: 8, vocabulary: 128256 },
    ...{ positions: 16384, theta: 500_000 },
  }),
} as const

/** Writes config.json where models are read from; returns the folder. */
export function writeModel({ name, config }: BenchModel, folder: string): string {
  const directory = join(folder, name)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config))
  return directory
}

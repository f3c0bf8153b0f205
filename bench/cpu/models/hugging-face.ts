import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TensorToWrite, writeSafetensors } from '../../../src/weights/safetensors-writer.js'
import type { Shape } from '../shapes.js'
import { transpose, valuesOf } from './values.js'
import { type Weight, weightsOf } from './weights.js'

const GPT2_NAMES: Readonly<Record<string, string>> = {
  'attention-norm': 'ln_1',
  qkv: 'attn.c_attn',
  output: 'attn.c_proj',
  'feed-forward-norm': 'ln_2',
  up: 'mlp.c_fc',
  down: 'mlp.c_proj',
}

const LLAMA_NAMES: Readonly<Record<string, string>> = {
  'attention-norm': 'input_layernorm',
  query: 'self_attn.q_proj',
  key: 'self_attn.k_proj',
  value: 'self_attn.v_proj',
  output: 'self_attn.o_proj',
  'feed-forward-norm': 'post_attention_layernorm',
  gate: 'mlp.gate_proj',
  up: 'mlp.up_proj',
  down: 'mlp.down_proj',
}

const OUTER_NAMES = {
  gpt2: { embedding: 'wte', positions: 'wpe', norm: 'ln_f' },
  llama: { embedding: 'model.embed_tokens', norm: 'model.norm', head: 'lm_head' },
} as const

/** A checkpoint folder in Hugging Face's layout, bfloat16, without a tokenizer. */
export async function writeHuggingFace(shape: Shape, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(configOf(shape), null, 2)}\n`)
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    weightsOf(shape).map((weight) => tensor(shape, weight)),
  )
}

function tensor({ family }: Shape, weight: Weight): TensorToWrite {
  const { rows, columns, kind } = weight
  // GPT-2's products are stored input-major.
  const turned = family === 'gpt2' && kind === 'matrix' && weight.id.startsWith('layers.')
  const shape = kind !== 'matrix' ? [columns] : turned ? [columns, rows] : [rows, columns]
  function* data() {
    const values = valuesOf(weight)
    yield new Uint8Array((turned ? transpose(values, rows, columns) : values).buffer)
  }
  return { name: nameOf(family, weight.id), dtype: 'BF16', shape, data: data() }
}

function nameOf(family: Shape['family'], id: string): string {
  const suffix = id.endsWith('.bias') ? 'bias' : 'weight'
  const [, layer, part] = /^layers\.(\d+)\.([^.]+)/.exec(id) ?? []
  if (layer === undefined) {
    const outer: Readonly<Record<string, string>> = OUTER_NAMES[family]
    return `${outer[id.replace('.bias', '')]}.${suffix}`
  }
  return family === 'gpt2'
    ? `h.${layer}.${GPT2_NAMES[part!]}.${suffix}`
    : `model.layers.${layer}.${LLAMA_NAMES[part!]}.${suffix}`
}

function configOf({ family, layers, hidden, heads, kvHeads, inner, vocabulary, positions }: Shape): object {
  if (family === 'gpt2') {
    return {
      ...{ model_type: 'gpt2', architectures: ['GPT2LMHeadModel'], activation_function: 'gelu_new' },
      ...{ n_layer: layers, n_embd: hidden, n_head: heads, n_inner: inner, vocab_size: vocabulary },
      ...{ n_positions: positions, layer_norm_epsilon: 1e-5, tie_word_embeddings: true, torch_dtype: 'bfloat16' },
    }
  }
  return {
    ...{ model_type: 'llama', architectures: ['LlamaForCausalLM'], hidden_act: 'silu' },
    ...{ num_hidden_layers: layers, hidden_size: hidden, num_attention_heads: heads, num_key_value_heads: kvHeads },
    ...{ intermediate_size: inner, vocab_size: vocabulary, max_position_embeddings: positions, rms_norm_eps: 1e-5 },
    ...{ rope_theta: 10_000, tie_word_embeddings: false, torch_dtype: 'bfloat16' },
  }
}

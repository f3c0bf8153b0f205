import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { WarplineError } from '../../src/errors.js'
import { Config } from '../../src/model/config.js'
import { lower, REFERENCE_LOWERING } from '../../src/model/lower.js'
import { decoderSpec, supportedModelTypes } from '../../src/model/registry.js'

const everything = () => true

function read(modelType: string, fields: Record<string, unknown>) {
  return decoderSpec({ model_type: modelType, ...fields }, everything)
}

describe('values that cannot be', () => {
  const BAD: [string, Record<string, unknown>, RegExp][] = [
    ['gpt2', { n_embd: '768' }, /"n_embd" is "768"; it must be a whole number from 1 to \d+/],
    ['gpt2', { n_layer: 0 }, /"n_layer" is 0/],
    ['gpt2', { n_layer: 1e9 }, /"n_layer" is 1000000000/],
    ['gpt2', { n_head: 5 }, /"n_head" is 5; it must be a divisor of the hidden size 768/],
    ['gpt2', { vocab_size: 2.5 }, /"vocab_size"/],
    ['gpt2', { layer_norm_epsilon: 0 }, /"layer_norm_epsilon"/],
    ['gpt2', { scale_attn_weights: 1 }, /"scale_attn_weights" is 1; it must be true or false/],
    ['gpt2', { n_embd: 768, hidden_size: 512 }, /"n_embd" is 768 and "hidden_size" 512; both name the same thing/],
    ['gptj', { rotary_dim: 512 }, /"rotary_dim"/],
    ['gptj', { rotary_dim: 63 }, /"rotary_dim" is 63; it must be an even number/],
    ['llama', { num_key_value_heads: 5 }, /"num_key_value_heads" is 5; it must be a divisor of the 32 query heads/],
    ['llama', { num_key_value_heads: 64 }, /"num_key_value_heads"/],
    ['llama', { hidden_act: 3 }, /"hidden_act" is 3; it must be one of/],
    ['mixtral', { num_experts_per_tok: 9 }, /"num_experts_per_tok" is 9; it must be a whole number from 1 to 8/],
    ['qwen2', { layer_types: ['full_attention'] }, /"layer_types".*a list of 32/],
    ['qwen2', { layer_types: Array(32).fill('sliding_attention') }, /"layer_types".*sliding_window is off/],
    ['gpt_moe', { moe_layers: [1] }, /"num_experts" is missing/],
    ['gpt_moe', { num_experts: 4 }, /"moe_layers" is missing/],
    ['gpt_moe', { num_experts: 4, moe_layers: [12] }, /"moe_layers".*from 0 to 11/],
    ['falcon', { new_decoder_architecture: true, num_kv_heads: 3 }, /"num_kv_heads"/],
  ]
  for (const [modelType, fields, message] of BAD) {
    test(`${modelType} ${JSON.stringify(fields).slice(0, 60)}`, () => {
      assert.throws(() => read(modelType, fields), { code: 'config-invalid', message })
    })
  }

  test('are shown in one bounded line without control characters', () => {
    assert.throws(
      () => read('gpt2', { n_embd: `\u001b[31m\n${'x'.repeat(1000)}\u202e` }),
      ({ message }: Error) => /^[\x20-\x7e]+$/.test(message) && message.length < 250,
    )
  })
})

describe('fields that change the mathematics and are not built', () => {
  const REFUSED: [string, Record<string, unknown>, RegExp][] = [
    ['gpt2', { add_cross_attention: true }, /add_cross_attention/],
    ['gpt2', { is_encoder_decoder: true }, /is_encoder_decoder/],
    ['gpt2', { activation_function: 'mish' }, /"activation_function" is "mish"; supported are gelu/],
    ['llama', { quantization_config: { quant_method: 'awq', bits: 4 } }, /quantised checkpoints are not supported/],
    ['llama', { quantization: { bits: 4, group_size: 64 } }, /quantised checkpoints are not supported/],
    ['llama', { sliding_window: 4096 }, /sliding_window/],
    ['llama', { clip_qkv: 8 }, /clip_qkv.*remove it from config\.json/],
    ['llama', { logit_scale: 0.0625 }, /logit_scale/],
    ['llama', { embedding_multiplier: 12 }, /embedding_multiplier/],
    ['llama', { use_rope: false }, /use_rope/],
    ['llama', { causal: false }, /causal/],
    ['llama', { architectures: ['LlamaForSequenceClassification'] }, /does not generate text/],
    ['mistral', { attention_bias: true }, /attention_bias/],
    ['gemma2', { use_bidirectional_attention: true }, /use_bidirectional_attention/],
    ['gemma2', { sliding_window_size: 1024 }, /sliding_window_size.*only 4096/],
    ['qwen2', { use_sliding_window: true, layer_types: Array(32).fill('chunked_attention') }, /layer_types/],
    ['gpt_bigcode', { num_key_value_heads: 8 }, /num_key_value_heads.*only 1/],
    ['gptj', { rotary: false }, /rotary/],
    ['bloom', { n_inner: 100 }, /n_inner/],
    ['falcon', { apply_residual_connection_post_layernorm: true }, /apply_residual_connection_post_layernorm/],
    ['falcon', { new_decoder_architecture: true, parallel_attn: false }, /parallel_attn/],
    ['falcon', { num_ln_in_parallel_attn: 2 }, /num_ln_in_parallel_attn/],
    ['falcon', { multi_query: false, num_kv_heads: 1 }, /num_kv_heads/],
    ['phi', { head_dim: 100 }, /head_dim/],
  ]
  for (const [modelType, fields, message] of REFUSED) {
    test(`${modelType} ${JSON.stringify(fields).slice(0, 60)}`, () => {
      assert.throws(() => read(modelType, fields), { code: 'config-unsupported', message })
    })
  }
})

describe('fields that change nothing', () => {
  test('bookkeeping, training and generation fields of real checkpoints are ignored', () => {
    const extra = {
      _name_or_path: 'someone/something',
      _attn_implementation: 'eager',
      architectures: ['LlamaForCausalLM'],
      auto_map: { AutoModelForCausalLM: 'modeling.Model' },
      torch_dtype: 'bfloat16',
      transformers_version: '4.31.0',
      'transformers.js_config': { dtype: 'q4' },
      unsloth_version: '2024.9',
      task_specific_params: { 'text-generation': { do_sample: true, max_length: 50 } },
      attention_dropout: 0.1,
      attention_probs_dropout_prob: 0.1,
      resid_pdrop: 0.1,
      initializer_range: 0.02,
      bos_token_id: 1,
      eos_token_id: [2, 3],
      decoder_start_token_id: 0,
      summary_type: 'cls_index',
      output_router_logits: true,
      router_aux_loss_coef: 0.02,
      use_cache: true,
      cache_implementation: 'hybrid',
      pretraining_tp: 2,
      temperature: 0.7,
      id2label: { 0: 'LABEL_0' },
      pruned_heads: {},
      is_decoder: true,
    }
    assert.deepEqual(read('llama', extra), read('llama', {}))
  })

  test('features of other families that are switched off are ignored', () => {
    const off = {
      sliding_window: null,
      use_sliding_window: false,
      quantization_config: null,
      is_encoder_decoder: false,
      cross_attention_hidden_size: null,
      chunk_size_feed_forward: 0,
      rope_interleaved: false,
      qkv_bias: false,
      logit_scale: 1,
      mlp_only_layers: [],
      use_rope: true,
    }
    assert.deepEqual(read('llama', off), read('llama', {}))
  })
})

describe('what config.json says', () => {
  test('null means none where a family knows none, and the default elsewhere', () => {
    const window = (fields: object) => read('mistral', { ...fields }).layers[0]!.attention.window
    assert.deepEqual(
      [window({}), window({ sliding_window: null }), window({ sliding_window: 8 })],
      [4096, undefined, 8],
    )
    assert.equal(read('mistral', { num_key_value_heads: null }).layers[0]!.attention.kvHeads, 32)
    assert.equal(read('mistral', { head_dim: null }).layers[0]!.attention.headDim, 128)
    assert.equal(read('gpt2', { n_inner: null, n_embd: null }).hidden, 768)
    assert.equal(read('gemma2', { final_logit_softcapping: null }).head.softCap, undefined)
  })

  test('either name of a size is read', () => {
    const older = { n_embd: 64, n_layer: 3, n_head: 4, n_positions: 32 }
    const newer = { hidden_size: 64, num_hidden_layers: 3, num_attention_heads: 4, max_position_embeddings: 32 }
    for (const modelType of ['gpt2', 'gpt_bigcode']) assert.deepEqual(read(modelType, newer), read(modelType, older))
    assert.deepEqual(
      read('bloom', { n_embed: 64, num_attention_heads: 4 }),
      read('bloom', { hidden_size: 64, n_head: 4 }),
    )
  })

  test('activations go by every name that transformers gives them', () => {
    const names = { gelu: ['gelu', 'gelu_python'], 'gelu-tanh': ['gelu_new', 'gelu_fast', 'gelu_pytorch_tanh'] }
    const others = { 'gelu-quick': ['quick_gelu'], silu: ['silu', 'swish'], relu: ['relu'], relu2: ['relu2'] }
    for (const [activation, aliases] of Object.entries({ ...names, ...others })) {
      for (const activation_function of aliases) {
        const { feedForward } = read('gpt2', { activation_function }).layers[0]!
        assert.equal(feedForward.activation, activation)
      }
    }
  })

  test('windows of Qwen2 begin at max_window_layers, only when they are switched on', () => {
    const windows = (fields: object) =>
      read('qwen2', { num_hidden_layers: 4, ...fields }).layers.map((l) => l.attention.window)
    assert.deepEqual(windows({ max_window_layers: 2 }), Array(4).fill(undefined))
    const on = { use_sliding_window: true, sliding_window: 100 }
    assert.deepEqual(windows({ ...on, max_window_layers: 2 }), [undefined, undefined, 100, 100])
    const layer_types = ['sliding_attention', 'full_attention', 'full_attention', 'sliding_attention']
    assert.deepEqual(windows({ ...on, layer_types }), [100, undefined, undefined, 100])
  })

  test('GPT-2 divides its scores by the layer number where asked, and leaves them unscaled where asked', () => {
    const scales = (fields: object) => read('gpt2', { n_layer: 3, ...fields }).layers.map((l) => l.attention.scale)
    assert.deepEqual(scales({ scale_attn_by_inverse_layer_idx: true }), [0.125, 0.0625, 0.125 / 3])
    assert.deepEqual(scales({ scale_attn_weights: false }), [1, 1, 1])
  })

  test('a model without longest text takes the length that it was trained for', () => {
    assert.equal(read('bloom', {}).contextLength, 2048)
    assert.equal(read('bloom', { seq_length: 8192 }).contextLength, 8192)
  })
})

describe('Config', () => {
  test('refuses what nothing read, inside objects even where the name is unknown', () => {
    const inner = new Config({ factor: 2, finetuned: true, other: null }, 'rope_scaling')
    inner.number('factor')
    inner.finish('this')
    assert.throws(() => new Config({ mystery: 2 }, 'rope_scaling').finish('this'), {
      code: 'config-unsupported',
      message: /"rope_scaling\.mystery" is 2; this does not know this field/,
    })
  })
})

const KNOWN_FIELDS = [
  ...[
    'hidden_size',
    'n_embd',
    'num_hidden_layers',
    'n_layer',
    'num_attention_heads',
    'n_head',
    'vocab_size',
    'head_dim',
  ],
  ...[
    'num_key_value_heads',
    'intermediate_size',
    'max_position_embeddings',
    'rope_theta',
    'rope_scaling',
    'layer_types',
  ],
  ...[
    'rope_parameters',
    'sliding_window',
    'hidden_act',
    'rms_norm_eps',
    'tie_word_embeddings',
    'num_experts',
    'moe_layers',
  ],
  ...[
    'partial_rotary_factor',
    'rotary_dim',
    'word_embed_proj_dim',
    'alibi',
    'multi_query',
    'architectures',
    '__proto__',
  ],
]

test('whatever config.json holds, the result is a model that can be lowered or a typed error', () => {
  const small = fc.integer({ min: 1, max: 64 })
  const rope = fc.record({ rope_type: fc.constantFrom('linear', 'yarn', 'dynamic', 'llama3'), factor: fc.anything() })
  const value = fc.oneof(small, small, fc.jsonValue({ maxDepth: 2 }), rope, fc.constantFrom(null, true, false, 'silu'))
  const fields = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...KNOWN_FIELDS), fc.string()), value), { maxLength: 12 })
  const sizes = { n_layer: 2, num_hidden_layers: 2, vocab_size: 32, moe_layers: [0], num_experts: 2 }
  let lowered = 0
  fc.assert(
    fc.property(fc.constantFrom(...supportedModelTypes), fields, fc.boolean(), (modelType, entries, has) => {
      const own = Object.fromEntries(Object.entries(sizes).filter(([name]) => ownName(modelType, name)))
      const config = Object.fromEntries([...Object.entries(own), ...entries, ['model_type', modelType]])
      try {
        const spec = decoderSpec(config, () => has)
        if (spec.layers.length <= 64) lower(spec, REFERENCE_LOWERING)
        lowered++
      } catch (error) {
        assert.ok(error instanceof WarplineError, `${String(error)} for ${JSON.stringify(config)}`)
        assert.notEqual(error.code, 'program-invalid', `${error.message} for ${JSON.stringify(config)}`)
      }
    }),
    { numRuns: 1500 },
  )
  assert.ok(lowered > 100, `only ${lowered} were models`)
})

/** GPT-2's descendants take n_layer, the others num_hidden_layers; both at once would name one thing twice. */
function ownName(modelType: string, field: string): boolean {
  if (field === 'moe_layers' || field === 'num_experts') return modelType === 'gpt_moe'
  const older = ['gpt2', 'gpt_moe', 'gpt_bigcode', 'gptj', 'bloom'].includes(modelType)
  return field === 'vocab_size' || field === (older ? 'n_layer' : 'num_hidden_layers')
}

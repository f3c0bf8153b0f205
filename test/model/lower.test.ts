import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lower, REFERENCE_LOWERING } from '../../src/model/lower.js'
import { decoderSpec, supportedModelTypes } from '../../src/model/registry.js'
import type { DecoderSpec } from '../../src/model/spec.js'
import { weightBytes } from '../../src/program/cost.js'
import type { Operation } from '../../src/program/operation.js'
import { optimize } from '../../src/program/passes/optimize.js'

const AFTER = { do_layer_norm_before: false, word_embed_proj_dim: 512 }
const FROM_NORM = { apply_residual_connection_post_layernorm: true }

/** A family with few layers, under whichever name it counts them. */
function small(modelType: string, layers: number, fields: Record<string, unknown> = {}): DecoderSpec {
  const older = ['gpt2', 'gpt_moe', 'gpt_bigcode', 'gptj', 'bloom'].includes(modelType)
  const moe = modelType === 'gpt_moe' && { num_experts: 2, moe_layers: [1] }
  const config = { model_type: modelType, [older ? 'n_layer' : 'num_hidden_layers']: layers, ...moe, ...fields }
  return decoderSpec(config, () => true)
}

function program(spec: DecoderSpec, options = REFERENCE_LOWERING) {
  return optimize(lower(spec, options))
}

function kinds(operations: readonly Operation[], kind: Operation['kind']): number {
  return operations.filter((op) => op.kind === kind).length
}

describe('every family', () => {
  for (const modelType of supportedModelTypes) {
    test(`${modelType}: query, key and value are one product, and so are gate and up`, () => {
      const spec = small(modelType, 2)
      const plain = lower(spec, REFERENCE_LOWERING).operations
      const gated = spec.layers.filter(({ feedForward }) => feedForward.kind === 'dense' && feedForward.gate).length
      assert.equal(
        kinds(plain, 'linear') - kinds(optimize(lower(spec, REFERENCE_LOWERING)).operations, 'linear'),
        4 + gated,
      )
    })
  }
})

describe('activations take as many bytes with 48 layers as with 2', () => {
  const forms: Record<string, () => [DecoderSpec, DecoderSpec]> = {
    serial: () => [small('gpt2', 2), small('gpt2', 48)],
    parallel: () => [small('gptj', 2), small('gptj', 48)],
    'post-norm': () => [small('opt', 2, AFTER), small('opt', 48, AFTER)],
    'sums from norms': () => [small('bloom', 2, FROM_NORM), small('bloom', 48, FROM_NORM)],
    'norms of branches': () => [small('gemma2', 2), small('gemma2', 48)],
    experts: () => [small('mixtral', 2), small('mixtral', 48)],
  }
  for (const [form, specs] of Object.entries(forms)) {
    test(form, () => {
      const [shallow, deep] = specs().map((spec) => program(spec).memory!)
      assert.ok(shallow!.bytesPerToken > 0)
      assert.deepEqual([deep!.bytesPerToken, deep!.bytesPerRow], [shallow!.bytesPerToken, shallow!.bytesPerRow])
    })
  }
})

test('a tied head shares the buffer of the embedding', () => {
  const tied = program(small('llama', 1, { tie_word_embeddings: true }))
  const untied = program(small('llama', 1, { tie_word_embeddings: false }))
  assert.equal(weightBytes(untied) - weightBytes(tied), 32000 * 4096 * 4)
})

test('all layers share one table of rotary frequencies', () => {
  const tables = (layers: number) =>
    [...program(small('llama', layers)).buffers.values()].filter(({ source }) => source?.parts[0]?.kind === 'constant')
  assert.equal(tables(5).length, 1)
})

test('only dynamic rotary scaling asks for the lengths that tokens are rotated for', () => {
  const rope_scaling = { type: 'dynamic', factor: 2 }
  assert.ok(program(small('llama', 1, { rope_scaling })).buffers.has('rotary-lengths'))
  assert.ok(!program(small('llama', 1)).buffers.has('rotary-lengths'))
})

test('the scale of embeddings is rounded to the type that the weights are stored in', () => {
  const spec = small('gemma2', 1, { hidden_size: 3072 })
  const scaleOf = (weightType: 'f32' | 'bf16' | 'f16') => {
    const [embed] = program(spec, { ...REFERENCE_LOWERING, weightType }).operations.filter((op) => op.kind === 'embed')
    return embed!.kind === 'embed' ? embed!.scale : undefined
  }
  assert.deepEqual([scaleOf('f32'), scaleOf('bf16'), scaleOf('f16')], [Math.fround(Math.sqrt(3072)), 55.5, 55.4375])
})

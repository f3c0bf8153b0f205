import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { decoderSpec } from '../../src/model/registry.js'

const everything = () => true

function llama(fields: Record<string, unknown>) {
  const spec = decoderSpec({ model_type: 'llama', ...fields }, everything)
  return { rotary: spec.layers[0]!.attention.rotary!, contextLength: spec.contextLength }
}

const CASES: { config: Record<string, unknown>; frequencies: number[]; scale: number }[] = JSON.parse(
  readFileSync(new URL('data/transformers-rotary.json', import.meta.url), 'utf8'),
)

const LLAMA3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 }
const SCALINGS: Record<string, Record<string, unknown>> = {
  linear: { factor: 4 },
  dynamic: { factor: 2 },
  llama3: LLAMA3,
  yarn: { factor: 4, original_max_position_embeddings: 2048, beta_fast: 16, attention_factor: 1.1, truncate: false },
}

describe('frequencies', () => {
  for (const { config, frequencies, scale } of CASES) {
    test(`are those of transformers for ${JSON.stringify(config)}`, () => {
      const { rotary } = decoderSpec(config, everything).layers[0]!.attention
      assert.equal(rotary!.frequencies.length, frequencies.length)
      rotary!.frequencies.forEach((frequency, i) => {
        assert.ok(Math.abs(frequency / frequencies[i]! - 1) < 2e-6, `pair ${i}: ${frequency}, not ${frequencies[i]}`)
      })
      assert.ok(Math.abs(rotary!.scale - scale) < 1e-6)
    })
  }
})

describe('spellings', () => {
  for (const [type, settings] of Object.entries(SCALINGS)) {
    test(`${type}: rope_theta with rope_scaling and rope_parameters mean the same`, () => {
      const expected = llama({ rope_parameters: { rope_type: type, rope_theta: 50_000, ...settings } })
      assert.notDeepEqual(expected, llama({ rope_theta: 50_000 }))
      for (const name of ['type', 'rope_type']) {
        assert.deepEqual(llama({ rope_theta: 50_000, rope_scaling: { [name]: type, ...settings } }), expected)
      }
    })
  }

  test('no scaling may be written null, empty or "default"', () => {
    const plain = llama({})
    for (const rope_scaling of [null, {}, { type: 'default' }, { rope_type: 'default', rope_theta: 10_000 }]) {
      assert.deepEqual(llama({ rope_scaling }), plain)
    }
  })

  test('the original length may stand outside the object', () => {
    const { original_max_position_embeddings, ...rest } = LLAMA3
    const inside = llama({ rope_scaling: { rope_type: 'llama3', ...LLAMA3 } })
    assert.deepEqual(
      llama({ original_max_position_embeddings, rope_scaling: { rope_type: 'llama3', ...rest } }),
      inside,
    )
  })

  test('two spellings that disagree are an error', () => {
    const conflicts = [
      { rope_theta: 10_000, rope_parameters: { rope_theta: 20_000 } },
      { rope_scaling: { type: 'linear', factor: 2 }, rope_parameters: { rope_type: 'linear', factor: 4 } },
    ]
    for (const config of conflicts) assert.throws(() => llama(config), { code: 'config-invalid' })
  })
})

describe('context length', () => {
  const max_position_embeddings = 4096
  test('is stretched by linear and dynamic scaling', () => {
    for (const type of ['linear', 'dynamic']) {
      const { contextLength } = llama({ max_position_embeddings, rope_scaling: { type, factor: 2.5 } })
      assert.equal(contextLength, 10240)
    }
  })

  test('is the original length times the factor for YaRN, whatever max_position_embeddings counts', () => {
    const yarn = { type: 'yarn', factor: 4, original_max_position_embeddings: 4096 }
    for (const positions of [4096, 16384]) {
      assert.equal(llama({ max_position_embeddings: positions, rope_scaling: yarn }).contextLength, 16384)
    }
  })

  test('is max_position_embeddings itself for Llama 3', () => {
    assert.equal(llama({ max_position_embeddings, rope_scaling: { type: 'llama3', ...LLAMA3 } }).contextLength, 4096)
  })
})

describe('refused', () => {
  test('kinds of scaling that are not built', () => {
    for (const type of ['longrope', 'su', 'mrope', 'proportional', 'nonsense']) {
      assert.throws(() => llama({ rope_scaling: { type, factor: 2 } }), {
        code: 'config-unsupported',
        message: /supported are default, linear, dynamic, llama3, yarn/,
      })
    }
  })

  test('settings that a kind of scaling does not know', () => {
    const settings = [
      { type: 'linear', factor: 2, beta_fast: 32 },
      { type: 'dynamic', factor: 2, alpha: 1000 },
      { type: 'default', mrope_section: [16, 24, 24] },
    ]
    for (const rope_scaling of settings) assert.throws(() => llama({ rope_scaling }), { code: 'config-unsupported' })
  })

  test('a part of the head in families that turn all of it', () => {
    assert.throws(() => llama({ partial_rotary_factor: 0.5 }), { code: 'config-unsupported' })
    assert.deepEqual(llama({ partial_rotary_factor: 1 }), llama({}))
  })

  test('values that cannot be', () => {
    const bad = [
      { rope_theta: 0 },
      { rope_theta: '10000' },
      { rope_scaling: 'linear' },
      { rope_scaling: { type: 'linear' } },
      { rope_scaling: { type: 'linear', factor: -1 } },
      { rope_scaling: { type: 'llama3', ...LLAMA3, high_freq_factor: 0.5 } },
      { rope_scaling: { type: 'yarn', factor: 4, beta_fast: 1, beta_slow: 32 } },
      { rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 12.5 } },
    ]
    for (const config of bad) assert.throws(() => llama(config), { code: 'config-invalid' }, JSON.stringify(config))
  })
})

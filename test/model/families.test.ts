import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { decoderSpec, supportedModelTypes } from '../../src/model/registry.js'
import { openCheckpoint } from '../../src/weights/checkpoint.js'
import { goldenFolder, goldenFolders } from '../support/golden.js'
import { tensorNamesOf } from '../support/spec-tensors.js'

const everything = () => true

/** What transformers itself writes for each family's default configuration, newer and older spelling. */
const DEFAULTS: { transformers: string; config: Record<string, unknown> & { model_type: string } }[] = JSON.parse(
  readFileSync(new URL('data/transformers-defaults.json', import.meta.url), 'utf8'),
)

describe('defaults', () => {
  for (const { transformers, config } of DEFAULTS) {
    test(`${config.model_type}: omitted fields are those of transformers ${transformers}`, () => {
      const written = decoderSpec(config, everything)
      assert.deepEqual(decoderSpec({ model_type: config.model_type }, everything), written)
    })

    test(`${config.model_type}: no field that transformers ${transformers} writes has another default`, () => {
      const written = decoderSpec(config, everything)
      for (const field of Object.keys(config)) {
        if (field === 'model_type') continue
        const { [field]: _, ...others } = config
        assert.deepEqual(decoderSpec(others, everything), written, `without ${field}`)
      }
    })
  }

  test('every supported family is covered but the one that is our own', () => {
    const covered = new Set(DEFAULTS.map(({ config }) => config.model_type))
    assert.deepEqual(
      supportedModelTypes.filter((type) => !covered.has(type)),
      ['gpt_moe'],
    )
  })

  test('gpt_moe takes one expert a token and renames nothing of GPT-2', () => {
    const moe = { model_type: 'gpt_moe', num_experts: 4, moe_layers: [1] }
    const spec = decoderSpec(moe, everything)
    const plain = decoderSpec({ model_type: 'gpt2' }, everything)
    const second = spec.layers[1]!.feedForward
    assert.ok(second.kind === 'moe' && second.topK === 1 && !second.renormalise && second.experts === 4)
    const others = (layers: typeof spec.layers) => layers.filter((_, i) => i !== 1)
    assert.deepEqual(others(spec.layers), others(plain.layers))
    assert.deepEqual(spec.embedding, plain.embedding)
  })
})

describe('model type', () => {
  test('an unknown one gets the whole list of what is supported', () => {
    for (const config of [{ model_type: 'mamba' }, {}, { model_type: 7 }, { model_type: '__proto__' }]) {
      assert.throws(
        () => decoderSpec(config, everything),
        (error: { code: string; message: string }) => {
          assert.equal(error.code, 'model-unsupported')
          for (const type of supportedModelTypes) assert.ok(error.message.includes(type), `${type} is not listed`)
          return true
        },
      )
    }
  })

  test('a near miss gets a suggestion', () => {
    assert.throws(() => decoderSpec({ model_type: 'mistal' }, everything), /did you mean mistral\?/)
  })
})

describe('tensor names', () => {
  for (const folder of goldenFolders()) {
    test(`${folder.name}: every tensor of the checkpoint is read, and no other`, async () => {
      await using checkpoint = await openCheckpoint(folder.directory)
      const spec = decoderSpec(checkpoint.config, (name) => checkpoint.tensors.has(name))
      assert.deepEqual([...tensorNamesOf(spec)].sort(), [...checkpoint.tensors.keys()].sort())
    })

    test(`${folder.name}: a checkpoint saved from the bare model is read by its shorter names`, async () => {
      await using checkpoint = await openCheckpoint(folder.directory)
      const bare = new Set([...checkpoint.tensors.keys()].map(withoutPrefix))
      assert.ok([...checkpoint.tensors.keys()].some((name) => !bare.has(name)))
      const spec = decoderSpec(checkpoint.config, (name) => bare.has(name))
      assert.deepEqual([...tensorNamesOf(spec)].sort(), [...bare].sort())
    })
  }

  test('buffers of older checkpoints are left alone', async () => {
    await using checkpoint = await openCheckpoint(goldenFolder('gpt2').directory)
    const buffers = ['transformer.h.0.attn.bias', 'transformer.h.0.attn.masked_bias']
    const spec = decoderSpec(checkpoint.config, (name) => checkpoint.tensors.has(name) || buffers.includes(name))
    for (const buffer of buffers) assert.ok(!tensorNamesOf(spec).has(buffer))
  })
})

function withoutPrefix(name: string): string {
  return name.replace(/^(?:transformer|gpt_neox|model\.decoder|model)\./, '')
}

describe('head', () => {
  const TABLE = 'transformer.wte.weight'
  const HEAD = 'lm_head.weight'
  const PROBE = 'transformer.h.0.ln_1.weight'
  const read = (modelType: string, there: string[], tie?: boolean) => {
    const config = { model_type: modelType, ...(tie !== undefined && { tie_word_embeddings: tie }) }
    const spec = decoderSpec(config, (name) => [PROBE, ...there].includes(name))
    const nameOf = ({ parts: [part] }: typeof spec.head.weight) => (part?.kind === 'tensor' ? part.tensor : '')
    return { table: nameOf(spec.embedding.table), head: nameOf(spec.head.weight), bias: spec.head.bias !== undefined }
  }

  test('tied: either tensor serves both', () => {
    assert.deepEqual(read('gpt2', [TABLE]), { table: TABLE, head: TABLE, bias: false })
    assert.deepEqual(read('gpt2', [HEAD]), { table: HEAD, head: HEAD, bias: false })
    assert.deepEqual(read('gpt2', [TABLE, HEAD]), { table: TABLE, head: TABLE, bias: false })
  })

  test('untied: each has its own', () => {
    assert.deepEqual(read('gpt2', [TABLE, HEAD], false), { table: TABLE, head: HEAD, bias: false })
    assert.deepEqual(read('gptj', [TABLE, HEAD]), { table: TABLE, head: HEAD, bias: true })
  })

  test('a family that does not tie by default uses the embedding where that is all there is', () => {
    assert.deepEqual(read('gptj', [TABLE]), { table: TABLE, head: TABLE, bias: false })
  })

  test('a head that must differ and is not there is an error', () => {
    assert.throws(() => read('gptj', [TABLE], false), { code: 'tensor-missing', message: /lm_head\.weight/ })
  })

  test('GPT-NeoX checkpoints name it embed_out or lm_head', () => {
    for (const name of ['embed_out.weight', 'lm_head.weight']) {
      const spec = decoderSpec(
        { model_type: 'gpt_neox' },
        (tensor) => tensor === name || tensor.startsWith('gpt_neox.'),
      )
      assert.ok(tensorNamesOf(spec).has(name))
    }
  })
})

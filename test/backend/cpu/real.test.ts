import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, describe, test } from 'node:test'
import { LLM, type WeightType } from '../../../src/index.js'
import { realPath, skipWithoutReal } from '../../support/real.js'
import { skip } from './support/levels.js'

const STORIES = 20
const POSITIONS = 256

async function meanNegativeLogLikelihood(dtype: WeightType): Promise<number> {
  const stories: string[] = JSON.parse(
    readFileSync(realPath('text/tinystories/tinystories_train_first1000.json'), 'utf8'),
  )
  const llm = await LLM.load(realPath('stories15M'), {
    device: 'cpu',
    dtype,
    kvDtype: dtype === 'bf16' ? 'bf16' : 'auto',
  })
  try {
    const texts = stories.slice(0, STORIES).map((story) => llm.tokenize(story).slice(0, POSITIONS))
    const scores = await Promise.all(texts.map((ids) => llm.score(ids)))
    const tokens = scores.reduce((sum, score) => sum + score.tokens, 0)
    return -scores.reduce((sum, score) => sum + score.logLikelihood, 0) / tokens
  } finally {
    await llm.close()
  }
}

/** Of the mean negative log-likelihood, as a share of float32's. */
describe('what storage types cost stories15M on real stories', { skip: skip || skipWithoutReal() }, () => {
  let exact: number
  before(async () => {
    exact = await meanNegativeLogLikelihood('f32')
  })

  test('float32: what an independent implementation found', () => {
    assert.ok(Math.abs(exact - 1.1302) < 5e-4, `${exact}`)
  })

  for (const [dtype, loss] of [
    ['bf16', 0.001],
    ['f16', 0.001],
    ['int8', 0.005],
    ['int8-g32', 0.005],
    ['int4', 0.04],
  ] as const) {
    test(`${dtype}: at most ${100 * loss} %`, async () => {
      const found = await meanNegativeLogLikelihood(dtype)
      assert.ok(found <= exact * (1 + loss), `${found} for ${exact}`)
    })
  }
})

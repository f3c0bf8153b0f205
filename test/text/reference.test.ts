import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Tokenizer } from '../../src/text/index.js'
import { dataPath, loadData } from './data.js'

/** By Hugging Face's own libraries: see data/make_reference.py. */
interface ReferenceCase {
  base: 'byte-level' | 'byte-fallback'
  name: string
  patch: { model?: object }
  added: object[] | null
  sequences: number[][]
  encoded: number[][]
  plain: number[][]
  decoded: string[]
  skipped: string[]
}

const reference = JSON.parse(readFileSync(dataPath('reference.json'), 'utf8')) as {
  texts: string[]
  cases: ReferenceCase[]
}

for (const { base, name, patch, added, sequences, ...expected } of reference.cases) {
  test(`${base} (${name}): ids and texts are those of the Python library`, () => {
    const json = loadData(base)
    const model = { ...json.model, ...patch.model }
    const tokenizer = Tokenizer.fromFiles({
      tokenizer: { ...json, ...patch, model, added_tokens: added ?? json.added_tokens },
    })
    for (const [i, text] of reference.texts.entries()) {
      assert.deepEqual(tokenizer.encode(text), expected.encoded[i], JSON.stringify(text))
      const plain = tokenizer.encode(text, { addSpecialTokens: false, allowSpecial: false })
      assert.deepEqual(plain, expected.plain[i], `plain ${JSON.stringify(text)}`)
    }
    for (const [i, ids] of sequences.entries()) {
      assert.equal(tokenizer.decode(ids), expected.decoded[i], `ids ${ids}`)
      assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), expected.skipped[i], `ids ${ids}`)
    }
  })
}

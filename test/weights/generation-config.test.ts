import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseGenerationConfig, readGenerationDefaults } from '../../src/weights/generation-config.js'
import { temporaryDirectory, writeFiles } from './support.js'

test('every supported field arrives under the name that requests use', () => {
  const defaults = parseGenerationConfig({
    do_sample: true,
    temperature: 0.7,
    top_k: 20,
    top_p: 0.8,
    min_p: 0.05,
    repetition_penalty: 1.05,
    no_repeat_ngram_size: 3,
    num_beams: 4,
    num_beam_groups: 2,
    diversity_penalty: 0.5,
    length_penalty: -1.5,
    early_stopping: 'never',
    num_return_sequences: 2,
    max_new_tokens: 512,
    min_new_tokens: 1,
    max_length: 2048,
    min_length: 10,
    eos_token_id: [151645, 151643, 151645],
    bos_token_id: 1,
    pad_token_id: 0,
    bad_words_ids: [[5], [6, 7]],
    suppress_tokens: [9],
    stop_strings: 'END',
  })
  assert.deepEqual(defaults, {
    doSample: true,
    temperature: 0.7,
    topK: 20,
    topP: 0.8,
    minP: 0.05,
    repetitionPenalty: 1.05,
    noRepeatNgramSize: 3,
    numBeams: 4,
    numBeamGroups: 2,
    diversityPenalty: 0.5,
    lengthPenalty: -1.5,
    earlyStopping: 'never',
    n: 2,
    maxTokens: 512,
    minTokens: 1,
    maxLength: 2048,
    minLength: 10,
    eosTokenIds: [151645, 151643],
    bosTokenId: 1,
    padTokenId: 0,
    badWordsIds: [[5], [6, 7]],
    suppressTokenIds: [9],
    stopStrings: ['END'],
    ignored: [],
  })
})

test('do_sample false is greedy whatever temperature stands beside it', () => {
  assert.equal(parseGenerationConfig({ do_sample: false, temperature: 0.9 }).temperature, 0)
  assert.equal(parseGenerationConfig({ do_sample: true, temperature: 0.9 }).temperature, 0.9)
  assert.ok(!('temperature' in parseGenerationConfig({ do_sample: true })))
})

test('null and -1 for a token mean that nothing is set', () => {
  const content = { temperature: null, eos_token_id: -1, bos_token_id: null, pad_token_id: -1, typical_p: null }
  assert.deepEqual(parseGenerationConfig(content), { ignored: [] })
})

test('one end token becomes a list of one', () => {
  assert.deepEqual(parseGenerationConfig({ eos_token_id: 2 }).eosTokenIds, [2])
})

test('fields without effect are listed, notes of the writing program are not', () => {
  const content = {
    _from_model_config: true,
    transformers_version: '5.0',
    use_cache: true,
    typical_p: 0.9,
    __proto__x: 1,
    foo: 1,
  }
  assert.deepEqual(parseGenerationConfig(content).ignored, ['typical_p', 'foo'])
})

test('a field that every object inherits is an unknown field', () => {
  assert.deepEqual(parseGenerationConfig(JSON.parse('{"toString": 1, "constructor": 2}')).ignored, [
    'toString',
    'constructor',
  ])
})

test('an invalid value names its field and what it holds', () => {
  const invalid: [string, unknown][] = [
    ['do_sample', 'yes'],
    ['temperature', -0.1],
    ['temperature', '0.7'],
    ['top_k', 1.5],
    ['top_k', -1],
    ['top_p', 1.01],
    ['min_p', -0.1],
    ['repetition_penalty', 0],
    ['no_repeat_ngram_size', -2],
    ['num_beams', 0],
    ['early_stopping', 'always'],
    ['max_new_tokens', 0],
    ['min_new_tokens', -1],
    ['eos_token_id', -2],
    ['eos_token_id', [1, -1]],
    ['eos_token_id', 2 ** 60],
    ['bos_token_id', 0.5],
    ['bad_words_ids', [5]],
    ['bad_words_ids', [[]]],
    ['suppress_tokens', [-1]],
    ['length_penalty', {}],
  ]
  for (const [field, value] of invalid) {
    const message = new RegExp(`^somewhere/generation_config\\.json: ${field} is .+: .+`)
    const parse = () => parseGenerationConfig({ [field]: value }, 'somewhere/generation_config.json')
    assert.throws(parse, { name: 'WarplineError', code: 'generation-config-invalid', message }, `${field} ${value}`)
  }
})

test('a directory without the file takes the token ids of its model configuration, and only those', async (t) => {
  const directory = await temporaryDirectory(t)
  const config = { bos_token_id: 1, eos_token_id: [2, 3], temperature: 0.5, max_length: 20 }
  assert.deepEqual(await readGenerationDefaults(directory, config), { bosTokenId: 1, eosTokenIds: [2, 3], ignored: [] })
  await writeFiles(directory, { 'generation_config.json': { eos_token_id: 7 } })
  assert.deepEqual(await readGenerationDefaults(directory, config), { eosTokenIds: [7], ignored: [] })
})

test('a file that is no JSON object is refused', async (t) => {
  const directory = await temporaryDirectory(t)
  for (const content of ['', '[]', '{"a"']) {
    await writeFiles(directory, { 'generation_config.json': content })
    await assert.rejects(readGenerationDefaults(directory, {}), { code: 'generation-config-invalid' })
  }
})

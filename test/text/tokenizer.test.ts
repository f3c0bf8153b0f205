import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { missingTokenizer, Tokenizer } from '../../src/text/index.js'
import { realPath, skipWithoutReal } from '../support/real.js'
import { loadData, tinyTokenizer } from './data.js'

/** By the Python library: see the file's own note. */
interface RealCases {
  sha256: string
  cases: [number, number[], string, string][]
  added: [number, number[]][]
  prefixes: [number[], string[]][]
}

const fixture = JSON.parse(await readFile(new URL('../fixtures/tokenizers.json', import.meta.url), 'utf8'))
const strings = fixture.strings as string[]

for (const file of Object.keys(fixture).filter((key) => key.endsWith('.json'))) {
  test(`${file}: ids and texts are those of the Python library`, { skip: skipWithoutReal(file) }, async () => {
    const content = await readFile(realPath(file), 'utf8')
    const { sha256, cases, added, prefixes } = fixture[file] as RealCases
    assert.equal(createHash('sha256').update(content).digest('hex'), sha256, 'the file is not the one of the fixture')
    const tokenizer = Tokenizer.fromFiles({ tokenizer: JSON.parse(content) })
    for (const [index, ids, text, withoutSpecials] of cases) {
      assert.deepEqual(tokenizer.encode(strings[index]!, { addSpecialTokens: false }), ids, strings[index])
      assert.equal(tokenizer.decode(ids), text)
      assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), withoutSpecials)
    }
    for (const [index, ids] of added) assert.deepEqual(tokenizer.encode(strings[index]!), ids)
    for (const [ids, texts] of prefixes) {
      for (const [length, text] of texts.entries()) assert.equal(tokenizer.decode(ids.slice(0, length)), text)
    }
  })
}

let directory: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'warpline-tokenizer-'))
})

after(async () => {
  await rm(directory, { recursive: true })
})

async function folder(name: string, files: Record<string, unknown>): Promise<string> {
  const path = join(directory, name)
  await mkdir(path, { recursive: true })
  for (const [file, content] of Object.entries(files)) {
    await writeFile(
      join(path, file),
      typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content),
    )
  }
  return path
}

test('a folder without a tokenizer has none, and the error for it says what to do', async () => {
  const path = await folder('none', { 'config.json': {}, 'tokenizer.model': 'x' })
  assert.equal(await Tokenizer.load(path), undefined)
  const error = await missingTokenizer(path)
  assert.equal(error.code, 'tokenizer-missing')
  assert.match(error.message, /SentencePiece/)
})

test('special tokens come from the configuration, with or without tokenizer.json naming them', async () => {
  const path = await folder('specials', {
    'tokenizer.json': loadData('byte-fallback'),
    'tokenizer_config.json': { bos_token: '<s>', eos_token: { content: '</s>' }, unk_token: null },
    'special_tokens_map.json': { eos_token: '<s>', unk_token: '<unk>', pad_token: '▁the' },
  })
  const tokenizer = (await Tokenizer.load(path))!
  const the = tokenizer.idOf('▁the')!
  assert.deepEqual(
    [tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.unkTokenId, tokenizer.padTokenId],
    [1, 2, 0, the],
  )
  assert.ok(tokenizer.isSpecial(the))
  assert.equal(tokenizer.tokenOf(the), '▁the')
  assert.equal(tokenizer.decode([1, the, 2], { skipSpecialTokens: true }), '')
  assert.equal(tokenizer.vocabSize, 409)
})

test('a bare tokenizer.json opens and closes texts as such files do', () => {
  const byteLevel = tinyTokenizer('byte-level')
  assert.equal(byteLevel.eosTokenId, byteLevel.idOf('<|endoftext|>'))
  const byteFallback = tinyTokenizer('byte-fallback')
  assert.deepEqual([byteFallback.bosTokenId, byteFallback.eosTokenId], [1, 2])
})

test('add_bos_token and add_eos_token replace the post-processor', () => {
  const ids = (config: object) => tinyTokenizer('byte-fallback', { config }).encode('')
  const names = { bos_token: '<s>', eos_token: '</s>' }
  assert.deepEqual(ids(names), [1])
  assert.deepEqual(ids({ ...names, add_bos_token: false }), [])
  assert.deepEqual(ids({ ...names, add_bos_token: true, add_eos_token: true }), [1, 2])
})

test('tokens that only added_tokens_decoder knows are tokens', () => {
  const tokenizer = tinyTokenizer('byte-level', {
    config: { added_tokens_decoder: { '400': { content: '<|x|>', special: true } } },
  })
  assert.deepEqual(tokenizer.encode('<|x|>'), [400])
  assert.equal(tokenizer.vocabSize, 401)
})

test('vocab.json and merges.txt make the tokenizer that tokenizer.json would', async () => {
  const { model } = loadData('byte-level')
  const merges = ['#version: 0.2', ...model.merges.map((pair) => pair.join(' ')), ''].join('\n')
  const path = await folder('legacy', {
    'vocab.json': model.vocab,
    'merges.txt': merges,
    'added_tokens.json': { '<|extra|>': 369 },
  })
  const legacy = (await Tokenizer.load(path))!
  const modern = tinyTokenizer('byte-level')
  for (const text of [...strings, '<|endoftext|>the<|endoftext|>']) {
    const plain = text.replaceAll('<|im_', '')
    assert.deepEqual(legacy.encode(plain), modern.encode(plain))
    assert.equal(legacy.decode(legacy.encode(plain)), plain)
  }
  assert.deepEqual(legacy.encode('<|extra|>'), [369])
  assert.equal(legacy.eosTokenId, modern.eosTokenId)
})

test('GPT-2 reads alike from either form', { skip: skipWithoutReal('tokenizers/gpt2') }, async () => {
  const json = (await Tokenizer.load(realPath('tokenizers/gpt2')))!
  const pair = await folder('gpt2', {
    'vocab.json': await readFile(realPath('tokenizers/gpt2/vocab.json')),
    'merges.txt': await readFile(realPath('tokenizers/gpt2/merges.txt')),
  })
  const legacy = (await Tokenizer.load(pair))!
  for (const text of strings) assert.deepEqual(legacy.encode(text), json.encode(text))
})

test('chat templates are found wherever checkpoints keep them', async () => {
  const tokenizerJson = loadData('byte-level')
  const templates = async (name: string, files: Record<string, unknown>) => {
    const tokenizer = await Tokenizer.load(await folder(name, { 'tokenizer.json': tokenizerJson, ...files }))
    return [...tokenizer!.chatTemplates]
  }
  const config = { 'tokenizer_config.json': { chat_template: 'config' } }
  const json = { 'chat_template.json': { chat_template: 'json' } }
  const jinja = { 'chat_template.jinja': 'jinja' }
  assert.deepEqual(await templates('t1', {}), [])
  assert.deepEqual(await templates('t2', json), [['default', 'json']])
  assert.deepEqual(await templates('t3', { ...json, ...config }), [['default', 'config']])
  assert.deepEqual(await templates('t4', { ...json, ...config, ...jinja }), [['default', 'jinja']])
  await folder('t5/additional_chat_templates', { 'tool_use.jinja': 'tools' })
  assert.deepEqual(await templates('t5', jinja), [
    ['default', 'jinja'],
    ['tool_use', 'tools'],
  ])
})

test('a lone surrogate is encoded as the replacement character, which it becomes in UTF-8', () => {
  const tokenizer = tinyTokenizer('byte-level')
  assert.equal(tokenizer.decode(tokenizer.encode('a\ud800b')), 'a\ufffdb')
})

test('merges and whole words cannot make a control token of plain text', () => {
  const { model, ...rest } = loadData('byte-level')
  const merges: [string, string][] = [
    ['<', '|'],
    ['|', '>'],
    ['<|', '|>'],
  ]
  const vocab = { ...model.vocab, '<|': 369, '|>': 370, '<||>': 371 }
  const added_tokens = [...rest.added_tokens, { id: 371, content: '<||>', special: true, normalized: false }]
  for (const ignore_merges of [false, true]) {
    const parts = { ...rest, added_tokens, pre_tokenizer: null, model: { ...model, merges, vocab, ignore_merges } }
    const tokenizer = Tokenizer.fromFiles({ tokenizer: parts })
    assert.deepEqual(tokenizer.encode('<||>'), [371])
    assert.deepEqual(tokenizer.encode('<||>', { allowSpecial: false }), [369, 370])
  }
})

test('a long run of white space takes linear time with patterns of known checkpoints', () => {
  const split = (Regex: string) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false })
  const pre_tokenizer = {
    type: 'Sequence',
    pretokenizers: [split('\\s+$'), split('\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'), { type: 'ByteLevel', use_regex: false }],
  }
  const tokenizer = tinyTokenizer('byte-level', { parts: { pre_tokenizer } })
  const text = `${' '.repeat(1 << 20)}x`
  assert.equal(tokenizer.decode(tokenizer.encode(text)), text)
})

test('a text longer than any context is refused', () => {
  assert.throws(() => tinyTokenizer('byte-level').encode('a'.repeat(2 ** 23 + 1)), { code: 'text-too-long' })
})

const good = loadData('byte-level')
const withModel = (model: object) => ({ ...good, model: { ...good.model, ...model } })
const deep = (kind: string, list: string) => {
  let part: object = { type: 'NFC' }
  for (let i = 0; i < 20_000; i++) part = { type: 'Sequence', [list]: [part] }
  return { ...good, [kind]: part }
}

const damaged: Record<string, unknown> = {
  'a list': [],
  'no model': { ...good, model: undefined },
  'an empty vocabulary': withModel({ vocab: {}, merges: [] }),
  'a negative id': withModel({ vocab: { ...good.model.vocab, x: -1 } }),
  'a fractional id': withModel({ vocab: { ...good.model.vocab, x: 0.5 } }),
  'a huge id': withModel({ vocab: { ...good.model.vocab, x: 2 ** 31 } }),
  'an id that is text': withModel({ vocab: { ...good.model.vocab, x: '1' } }),
  'a merge of unknown tokens': withModel({ merges: [['a', 'nowhere']] }),
  'a merge into no token': withModel({ merges: [['z', 'z']] }),
  'a merge of three': withModel({ merges: ['a b c'] }),
  'merges that are no list': withModel({ merges: { length: 1 } }),
  'an added token without text': { ...good, added_tokens: [{ id: 1, content: '' }] },
  'an added token with a huge id': { ...good, added_tokens: [{ id: 1e15, content: 'x' }] },
  'a nameless part': { ...good, normalizer: {} },
  'a post-processor with a foreign token': {
    ...good,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '[CLS]' } }, { Sequence: { id: 'A' } }],
    },
  },
  'a post-processor without the text': { ...good, post_processor: { type: 'TemplateProcessing', single: [] } },
  'an endless normalizer': deep('normalizer', 'normalizers'),
  'an endless decoder': deep('decoder', 'decoders'),
}

for (const [name, tokenizer] of Object.entries(damaged)) {
  test(`a damaged tokenizer.json is a typed error: ${name}`, () => {
    assert.throws(() => Tokenizer.fromFiles({ tokenizer }), { code: 'tokenizer-invalid' })
  })
}

const foreign: Record<string, object> = {
  model: withModel({ type: 'Unigram' }),
  normalizer: { ...good, normalizer: { type: 'constructor' } },
  'pre-tokenizer': { ...good, pre_tokenizer: { type: '__proto__' } },
  'post-processor': { ...good, post_processor: { type: 'Unknown' } },
  decoder: { ...good, decoder: { type: 'WordPiece' } },
  'regular expression': { ...good, pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated' } },
}

for (const [kind, tokenizer] of Object.entries(foreign)) {
  test(`an unknown ${kind} is refused by name, never skipped`, () => {
    assert.throws(() => Tokenizer.fromFiles({ tokenizer }), {
      code: 'tokenizer-unsupported',
      message: /token ids instead/,
    })
  })
}

test('a vocabulary cannot pollute prototypes', () => {
  const vocab = JSON.parse(`{"__proto__": 5, "constructor": 6, ${JSON.stringify(good.model.vocab).slice(1)}`)
  const tokenizer = Tokenizer.fromFiles({ tokenizer: withModel({ vocab }) })
  assert.equal(tokenizer.idOf('toString'), undefined)
  assert.equal(tokenizer.idOf('constructor'), 6)
  assert.equal(Object.getPrototypeOf({}), Object.prototype)
  const config = JSON.parse(
    '{"__proto__": {"eos_token": "a"}, "added_tokens_decoder": {"__proto__": {"content": "x"}}}',
  )
  assert.equal(Tokenizer.fromFiles({ tokenizer: good, config }).idOf('x'), vocab.x)
})

test('files that are not JSON, not UTF-8 or not files are typed errors', async () => {
  for (const [name, content] of Object.entries({
    empty: '',
    cut: '{"model": ',
    binary: Buffer.from([0x22, 0xff, 0x22]),
  })) {
    const path = await folder(name, { 'tokenizer.json': content })
    await assert.rejects(Tokenizer.load(path), { code: 'tokenizer-invalid' }, name)
  }
  await mkdir(join(directory, 'folders', 'tokenizer.json'), { recursive: true })
  await assert.rejects(Tokenizer.load(join(directory, 'folders')), { code: 'tokenizer-unreadable' })
})

for (const [name, config] of Object.entries({
  'a number for a token': { eos_token: 5 },
  'a template of megabytes': { chat_template: 'x'.repeat(2 ** 20) },
  'templates without names': { chat_template: [{ template: 'x' }] },
  'flags that are text': { add_bos_token: 'yes' },
})) {
  test(`a damaged tokenizer_config.json is a typed error: ${name}`, () => {
    assert.throws(() => Tokenizer.fromFiles({ tokenizer: good, config }), { code: 'tokenizer-invalid' })
  })
}

const doubling = { type: 'Replace', pattern: { String: 'a' }, content: 'aa' }
const times = (count: number, part: object) => Array.from({ length: count }, () => part)

test('a normalizer that doubles the text at every stage is stopped', () => {
  for (const pattern of [{ String: 'a' }, { Regex: 'a' }]) {
    const normalizer = { type: 'Sequence', normalizers: times(60, { ...doubling, pattern }) }
    const tokenizer = tinyTokenizer('byte-level', { parts: { normalizer, added_tokens: [] } })
    assert.throws(() => tokenizer.encode('aa'), { code: 'text-too-long' })
  }
})

test('what the sections between control tokens grow to counts together', () => {
  const normalizer = { ...doubling, content: 'b'.repeat(2 ** 14) }
  const tokenizer = tinyTokenizer('byte-level', { specials: ['<|x|>'], parts: { normalizer } })
  assert.throws(() => tokenizer.encode('a<|x|>'.repeat(2000)), { code: 'text-too-long' })
})

test('added tokens that a normalizer makes long are a damaged file', () => {
  const normalizer = { type: 'Sequence', normalizers: times(24, doubling) }
  const added_tokens = [{ id: 5, content: 'a', special: false, normalized: true }]
  assert.throws(() => Tokenizer.fromFiles({ tokenizer: { ...good, normalizer, added_tokens } }), {
    code: 'tokenizer-invalid',
  })
})

test('a pre-tokenizer that turns bytes into bytes at every stage is stopped', () => {
  const pre_tokenizer = {
    type: 'Sequence',
    pretokenizers: times(60, { type: 'ByteLevel', add_prefix_space: true, use_regex: false }),
  }
  const tokenizer = tinyTokenizer('byte-level', { parts: { pre_tokenizer } })
  assert.throws(() => tokenizer.encode('é'), { code: 'text-too-long' })
})

for (const [name, decoders] of Object.entries({
  'doubling stages': times(60, doubling),
  'an empty pattern': times(2, { ...doubling, pattern: { String: '' }, content: 'x'.repeat(100) }),
  'doubling after fusing': [{ type: 'Fuse' }, ...times(60, doubling)],
})) {
  test(`a decoder that makes texts long is a damaged file: ${name}`, () => {
    const decoder = { type: 'Sequence', decoders }
    assert.throws(() => Tokenizer.fromFiles({ tokenizer: { ...good, decoder } }), { code: 'tokenizer-invalid' })
  })
}

test('stages are counted over sequences within sequences', () => {
  const inner = { type: 'Sequence', normalizers: times(9, { type: 'NFC' }) }
  const normalizer = { type: 'Sequence', normalizers: times(9, inner) }
  assert.throws(() => Tokenizer.fromFiles({ tokenizer: { ...good, normalizer } }), { code: 'tokenizer-invalid' })
})

test('what is no text, and what are no ids, are typed errors', () => {
  const tokenizer = tinyTokenizer('byte-level')
  for (const value of [undefined, null, 5, ['a'], {}]) {
    assert.throws(() => tokenizer.encode(value as unknown as string), { code: 'prompt-invalid' })
  }
  for (const value of [undefined, null, 'ab', {}, [-1], [0.5], ['1'], [Number.NaN], [null], [Symbol('x')], [{}]]) {
    assert.throws(() => tokenizer.decode(value as unknown as number[]), { code: 'token-id-invalid' })
  }
  assert.equal(tokenizer.decode([2 ** 30]), '')
})

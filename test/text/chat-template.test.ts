import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { encodeChatPrompt, renderChatPrompt, Tokenizer } from '../../src/text/index.js'
import { realPath, skipWithoutReal } from '../support/real.js'
import { tinyTokenizer } from './data.js'

/** By transformers' apply_chat_template: see the file's own note. */
interface Fixture {
  templates: Record<string, { bos_token?: string; eos_token?: string; template: string }>
  conversations: Record<
    string,
    { messages: object[]; tools?: object[]; documents?: object[]; options?: Record<string, unknown> }
  >
  renderings: {
    template: string
    conversation: string
    text?: string
    prompted?: string
    error?: string
  }[]
}

const fixture = JSON.parse(readFileSync(new URL('../fixtures/chat.json', import.meta.url), 'utf8')) as Fixture
const MINIMIND = 'minimind2-small'

async function tokenizerFor(name: string): Promise<Tokenizer> {
  if (name === MINIMIND) return (await Tokenizer.load(realPath(MINIMIND)))!
  const { bos_token, eos_token, template } = fixture.templates[name]!
  const controls = template.match(/<\|[a-z_]+\|>|<\/?s>|<(start|end)_of_turn>/g) ?? []
  const specials = [...new Set([...controls, bos_token, eos_token])].filter((token) => token !== undefined)
  return tinyTokenizer('byte-level', { specials, config: { bos_token, eos_token, chat_template: template } })
}

/** Python knows 1.0 from 1 in JSON; JavaScript does not. */
const withoutFloats = (text: string | undefined) => text?.replace(/\b1\.0(?=,)/g, '1')

for (const name of [...Object.keys(fixture.templates), MINIMIND]) {
  test(`the template ${name} renders as in transformers`, {
    skip: name === MINIMIND && skipWithoutReal(MINIMIND),
  }, async () => {
    const tokenizer = await tokenizerFor(name)
    const renderings = fixture.renderings.filter(({ template }) => template === name)
    assert.ok(renderings.length > 5)
    for (const { conversation, error, text, prompted } of renderings) {
      const { messages, options, ...rest } = fixture.conversations[conversation]!
      for (const addGenerationPrompt of [false, true]) {
        const all = { ...rest, variables: options, addGenerationPrompt }
        const render = () => renderChatPrompt(tokenizer, messages, all)
        if (error !== undefined) {
          assert.throws(render, (thrown: Error & { code: string }) => {
            return thrown.code === 'chat-template-failed' && thrown.message.includes(error)
          })
          continue
        }
        const expected = withoutFloats(addGenerationPrompt ? prompted : text)!
        assert.equal(render(), expected, conversation)
        const ids = encodeChatPrompt(tokenizer, messages, all)
        assert.equal(tokenizer.decode(ids), expected, conversation)
        if (conversation !== 'special tokens spelt in it') {
          assert.deepEqual(ids, tokenizer.encode(expected, { addSpecialTokens: false }), conversation)
        }
      }
    }
  })
}

const hi = [{ role: 'user', content: 'hi' }]

test('a model without a template gets an error that says what to do', () => {
  assert.throws(() => renderChatPrompt(tinyTokenizer('byte-level'), hi), {
    code: 'chat-template-missing',
    message: /plain prompt/,
  })
})

test('wrong syntax and messages that do not fit are typed errors', () => {
  for (const chat_template of ['{% for %}', '{{ "a" + messages[0].nothing }}', '{{ messages[0].content.nothing() }}']) {
    const tokenizer = tinyTokenizer('byte-level', { config: { chat_template } })
    assert.throws(() => renderChatPrompt(tokenizer, hi), { code: 'chat-template-failed' }, chat_template)
  }
  const tokenizer = tinyTokenizer('byte-level', { config: { chat_template: 'x' } })
  assert.throws(() => renderChatPrompt(tokenizer, []), { code: 'chat-template-failed' })
})

test('of several templates the one for tools is used with tools, and any by its name', () => {
  const chat_template = ['default', 'tool_use', 'rag'].map((name) => ({ name, template: name }))
  const tokenizer = tinyTokenizer('byte-level', { config: { chat_template } })
  assert.equal(renderChatPrompt(tokenizer, hi), 'default')
  assert.equal(renderChatPrompt(tokenizer, hi, { tools: [{}] }), 'tool_use')
  assert.equal(renderChatPrompt(tokenizer, hi, { template: 'rag' }), 'rag')
  assert.throws(() => renderChatPrompt(tokenizer, hi, { template: 'no' }), {
    code: 'chat-template-missing',
    message: /rag/,
  })
})

test('templates get the special tokens, the time, and variables that win over both', () => {
  const chat_template = '{{ bos_token }}{{ eos_token }}|{{ strftime_now("%Y") }}|{{ tools }}|{{ x }}'
  const tokenizer = tinyTokenizer('byte-level', {
    config: { bos_token: { content: '<|im_start|>' }, eos_token: '<|im_end|>', chat_template },
  })
  const now = new Date(2001, 1, 1)
  assert.equal(renderChatPrompt(tokenizer, hi, { now, variables: { x: 1 } }), '<|im_start|><|im_end|>|2001|None|1')
  assert.equal(renderChatPrompt(tokenizer, hi, { now, variables: { eos_token: 'E' } }), '<|im_start|>E|2001|None|')
})

test('hostile templates are typed errors with short messages', () => {
  for (const chat_template of [
    "{{ raise_exception('x' * 1000000) }}",
    "{{ ('x' * 60000000)[::-1] }}",
    `{{ ${'x'.repeat(10_000)}('a') }}{{ 'x' | ${'y'.repeat(10_000)} }}`,
    `{% ${'x'.repeat(10_000)} %}`,
  ]) {
    const tokenizer = tinyTokenizer('byte-level', { config: { chat_template } })
    assert.throws(
      () => renderChatPrompt(tokenizer, hi),
      (error: Error & { code: string }) => error.code === 'chat-template-failed' && error.message.length < 500,
    )
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AssistantReader, ReasoningReader, reasoningMarks, toolFormat, toolReader } from '../../src/chat/index.js'
import { call, readAnyhow } from './support.js'

const THINK = { open: '<think>', close: '</think>' }
const reader = (opened: boolean) => () => new ReasoningReader(THINK, opened)

for (const [text, opened, reasoning, content] of [
  ['<think>\nwhy </thin not\n</think>\n\nBecause.\n', false, 'why </thin not', 'Because.\n'],
  ['\n<think></think>Yes', false, '', 'Yes'],
  ['no <think> here </think>', false, '', 'no <think> here </think>'],
  ['hm.\n</think>\nSo.', true, 'hm.', 'So.'],
  ['hm, cut of', true, 'hm, cut of', ''],
  ['<think>a</think>b</think>c', false, 'a', 'b</think>c'],
  ['<thi', false, '', '<thi'],
  ['<think>a </thi', false, 'a </thi', ''],
] as const) {
  test(`reasoning in ${JSON.stringify(text)}${opened ? ', opened by the prompt' : ''}`, () => {
    assert.deepEqual(readAnyhow(reader(opened), text), { reasoning, content, calls: [] })
  })
}

test('calls are looked for behind the reasoning, not in it', () => {
  const make = () =>
    new AssistantReader(
      new ReasoningReader(THINK, false),
      toolReader(toolFormat('hermes', { template: '', hasToken: () => false }), []),
    )
  const text = '<think>shall I <tool_call>{"name":"a"}</tool_call>?</think>\nI do.\n<tool_call>{"name":"b"}</tool_call>'
  assert.deepEqual(readAnyhow(make, text), {
    reasoning: 'shall I <tool_call>{"name":"a"}</tool_call>?',
    content: 'I do.',
    calls: [call('b', '{}')],
  })
})

test('the marks are those that the template speaks of', () => {
  const found = (template: string) => reasoningMarks({ template, hasToken: () => true })
  assert.deepEqual(found("{% if '</think>' in content %}"), THINK)
  assert.equal(found('[/THINK]')?.open, '[THINK]')
  assert.equal(found('plain'), undefined)
})

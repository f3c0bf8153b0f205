import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type ToolFormatName, toolFormat, toolReader } from '../../src/chat/index.js'
import { call, type Read, read, readAnyhow } from './support.js'

const TOOLS = ['get_weather', 'add', 'b.c-d']
const marks = { template: '', hasToken: () => false }
const reader = (name: ToolFormatName) => () => toolReader(toolFormat(name, marks), TOOLS)

const none = (content: string): Read => ({ content, reasoning: '', calls: [] })
const calls = (...list: Read['calls']): Read => ({ content: '', reasoning: '', calls: list })

const CASES: Record<ToolFormatName, readonly (readonly [string, Read])[]> = {
  hermes: [
    [
      '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": [2, "}"]}}\n</tool_call>',
      calls(call('add', '{"a": 1, "b": [2, "}"]}')),
    ],
    [
      '<tool_call>{"arguments": {"x": "\\"</tool_call>"}, "name": "add"}</tool_call>\n<tool_call>\n{"name":"b.c-d"}\n</tool_call>\n',
      calls(call('add', '{"x": "\\"</tool_call>"}'), call('b.c-d', '{}')),
    ],
    [
      'I look.\n\n<tool_call>{"name": "add", "arguments": {}}</tool_call>\nDone. ',
      { ...calls(call('add', '{}')), content: 'I look.Done. ' },
    ],
    [
      '<tool_call>{"name": "add", "arguments": {}}\n{"name": "b.c-d", "arguments": {"k": null}}</tool_call>',
      calls(call('add', '{}'), call('b.c-d', '{"k": null}')),
    ],
    ['<tool_call>{"name": "unknown", "arguments": "{\\"a\\": 1}"}</tool_call>', calls(call('unknown', '{"a": 1}'))],
    // No call after all.
    ['plain text < <tool <tool_cal> done\n', none('plain text < <tool <tool_cal> done\n')],
    ['a <tool_call>not JSON</tool_call> b', none('a <tool_call>not JSON</tool_call> b')],
    ['<tool_call>{"nome": "add"}</tool_call>', none('<tool_call>{"nome": "add"}</tool_call>')],
    [
      '<tool_call>[1]</tool_call><tool_call>{"name":"add","arguments":{}}</tool_call>',
      { ...calls(call('add', '{}')), content: '<tool_call>[1]</tool_call>' },
    ],
    // Cut off.
    ['ok <tool_c', none('ok <tool_c')],
    ['<tool_call>{"name": "ad', none('<tool_call>{"name": "ad')],
    ['<tool_call>{"name": "add", "arguments": {"a": "b', calls(call('add', '{"a": "b', false))],
    ['<tool_call>{"name": "add", "arguments": {"a": 1}', calls(call('add', '{"a": 1}', false))],
    ['<tool_call>{"name": "add", "arguments": {"a": 1}}\n</tool', calls(call('add', '{"a": 1}'))],
    // Malformed once it has begun: what was told stands.
    [
      '<tool_call>{"name": "add", "arguments": {"a": 1]] oops}</tool_call> text',
      { ...calls(call('add', '{"a": 1]', false)), content: 'text' },
    ],
  ],
  llama3: [
    ['{"name": "get_weather", "parameters": {"city": "Zürich"}}', calls(call('get_weather', '{"city": "Zürich"}'))],
    [
      '<|python_tag|>{"name": "add", "parameters": {"a": "1"}}; {"name": "add", "arguments": {}}',
      calls(call('add', '{"a": "1"}'), call('add', '{}')),
    ],
    ['\n{"type": "function", "name": "add", "parameters": {}}\n', calls(call('add', '{}'))],
    // Answers that are no calls.
    ['{"name": "Bob", "age": 3}', none('{"name": "Bob", "age": 3}')],
    ['{"answer": 42}', none('{"answer": 42}')],
    ['The {"name": "add", "parameters": {}} tool', none('The {"name": "add", "parameters": {}} tool')],
    ['<|python_tag|>brave.call(query="x")', none('<|python_tag|>brave.call(query="x")')],
    ['  \n', none('  \n')],
    ['{"name": "add", "para', none('{"name": "add", "para')],
    ['{"name": "add", "parameters": {"a": ', calls(call('add', '{"a": ', false))],
    ['{"name": "add", "parameters": {}} and so on', { ...calls(call('add', '{}')), content: 'and so on' }],
  ],
  mistral: [
    [
      '[TOOL_CALLS] [{"name": "add", "arguments": {"a": [1]}}, {"name": "b.c-d", "arguments": {}}]',
      calls(call('add', '{"a": [1]}'), call('b.c-d', '{}')),
    ],
    [
      '[TOOL_CALLS]add[ARGS]{"a": "]"}[TOOL_CALLS]b.c-d[CALL_ID]abc123[ARGS]{}',
      calls(call('add', '{"a": "]"}'), call('b.c-d', '{}')),
    ],
    ['[TOOL_CALLS]add{"a": 1}', calls(call('add', '{"a": 1}'))],
    [
      'Well: [TOOL_CALLS][{"name": "add", "arguments": {}, "id": "x"}]',
      { ...calls(call('add', '{}')), content: 'Well:' },
    ],
    ['[TOOL_CALLS] {"name": "add", "arguments": {}}', calls(call('add', '{}'))],
    ['a [list] [TOOL] b', none('a [list] [TOOL] b')],
    ['[TOOL_CALLS]no call, words', none('[TOOL_CALLS]no call, words')],
    ['[TOOL_CALLS] [1, 2]', none('[TOOL_CALLS] [1, 2]')],
    ['[TOOL_CALLS][{"nome": 3}]', none('[TOOL_CALLS][{"nome": 3}]')],
    ['[TOOL_CALLS', none('[TOOL_CALLS')],
    ['[TOOL_CALLS]ad', none('[TOOL_CALLS]ad')],
    ['[TOOL_CALLS][{"name": "add", "arguments": {"a"', calls(call('add', '{"a"', false))],
    ['[TOOL_CALLS]add[ARGS]{"a', calls(call('add', '{"a', false))],
  ],
}

for (const [name, cases] of Object.entries(CASES) as [ToolFormatName, (typeof CASES)['hermes']][]) {
  describe(`${name}: calls are read alike however the text is cut`, () => {
    for (const [text, expected] of cases) {
      test(JSON.stringify(text), () => assert.deepEqual(readAnyhow(reader(name), text), expected))
    }
  })

  test(`${name}: no text is lost where no call is begun, and none makes the reader fail`, () => {
    const pieces = fc.constantFrom(
      '<tool_call>',
      '</tool_call>',
      '[TOOL_CALLS]',
      '[ARGS]',
      '<|python_tag|>',
      '{',
      '}',
      '[',
      ']',
      '"name"',
      ':',
      '"add"',
      ',',
      '"arguments"',
      '"parameters"',
      ' ',
      '\n',
      'x',
      '\\',
      '"',
      '12',
      ';',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 25 }), (parts) => {
        const found = read(reader(name)(), parts)
        assert.deepEqual(read(reader(name)(), [parts.join('')]), found)
        if (found.calls.length === 0) assert.equal(found.content, parts.join(''))
      }),
      { numRuns: 2000 },
    )
  })

  test(`${name}: calls of any arguments come back as they were written`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 1, maxLength: 3 }),
        fc.nat(),
        (all, seed) => {
          const written = all.map((value) => ({ name: 'add', arguments: JSON.stringify(value) }))
          const text = WRITERS[name](written)
          const cut = seed % text.length
          const found = read(reader(name)(), [text.slice(0, cut), text.slice(cut)])
          assert.deepEqual(found, calls(...written.map((each) => call('add', each.arguments))))
        },
      ),
    )
  })
}

const WRITERS: Record<ToolFormatName, (calls: readonly { name: string; arguments: string }[]) => string> = {
  hermes: (all) =>
    all.map((each) => `<tool_call>\n{"name": "${each.name}", "arguments": ${each.arguments}}\n</tool_call>`).join('\n'),
  llama3: (all) => all.map((each) => `{"name": "${each.name}", "parameters": ${each.arguments}}`).join('; '),
  mistral: (all) =>
    `[TOOL_CALLS][${all.map((each) => `{"name": "${each.name}", "arguments": ${each.arguments}}`).join(', ')}]`,
}

test('the format is that of the template’s marks, then the vocabulary’s', () => {
  const found = (template: string, tokens: string[] = []) =>
    toolFormat(undefined, { template, hasToken: (token) => tokens.includes(token) })
  assert.equal(found('... <tool_call> ...').name, 'hermes')
  assert.equal(found('[TOOL_CALLS]').name, 'mistral')
  assert.equal(found('[TOOL_CALLS] [ARGS]').named, true)
  assert.equal(found('"parameters"', ['<|python_tag|>']).name, 'llama3')
  assert.equal(found('<tool_call>', ['<|python_tag|>']).name, 'hermes')
  assert.equal(found('tools').name, 'hermes')
  assert.equal(toolFormat('llama3', { template: '<tool_call>', hasToken: () => false }).name, 'llama3')
})

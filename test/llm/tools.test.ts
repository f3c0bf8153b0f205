import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { BUNDLED_MODEL, type ChatMessage, LLM, type Tool, type ToolCall } from '../../src/index.js'

const TEMPLATE = `{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.tool_calls %}{% for c in m.tool_calls %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}{% endif %}
{% endfor %}{% if add_generation_prompt %}assistant: {% if enable_thinking %}<think>
{% endif %}{% endif %}{# </think> #}`

const TOOLS: Tool[] = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'The weather of a city.',
      parameters: {
        type: 'object',
        properties: { city: { type: 'string', maxLength: 12 }, unit: { enum: ['C', 'F'] } },
        required: ['city'],
        additionalProperties: false,
      },
    },
  },
  { type: 'function', function: { name: 'now' } },
]
const ASK: ChatMessage[] = [{ role: 'user', content: 'How is the weather in Paris?' }]

let folder: string
let llm: LLM
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warpline-tools-'))
  for (const file of await readdir(BUNDLED_MODEL)) await symlink(join(BUNDLED_MODEL, file), join(folder, file))
  await writeFile(join(folder, 'chat_template.jinja'), TEMPLATE)
  llm = await LLM.load(folder)
})
after(async () => {
  await llm.close()
  await rm(folder, { recursive: true })
})

function checkCall({ id, type, function: called }: ToolCall): void {
  assert.match(id, /^call_\w+$/)
  assert.equal(type, 'function')
  const values = JSON.parse(called.arguments)
  if (called.name === 'now') assert.deepEqual(values, {})
  else {
    assert.equal(called.name, 'get_weather')
    assert.equal(typeof values.city, 'string')
  }
}

for (const toolFormat of ['hermes', 'llama3', 'mistral'] as const) {
  test(`${toolFormat}: a required call is made, with arguments that satisfy its schema`, async () => {
    for (let seed = 0; seed < 3; seed++) {
      const options = {
        tools: TOOLS,
        toolChoice: 'required',
        toolFormat,
        reasoningFormat: 'none',
        parallelToolCalls: false,
        temperature: 3,
        seed,
        maxTokens: 200,
      } as const
      const { choices, text } = await llm.chat(ASK, options)
      const [choice] = choices
      assert.equal(choice!.finishReason, 'tool_calls')
      assert.equal(choice!.toolCalls!.length, 1)
      assert.equal(text, '')
      if (toolFormat === 'mistral') assert.match(choice!.toolCalls![0]!.id, /^[a-z0-9]{9}$/)
      else checkCall(choice!.toolCalls![0]!)
    }
  })

  test(`${toolFormat}: streamed, the deltas add up to the calls`, async () => {
    const options = {
      tools: TOOLS,
      toolChoice: { type: 'function', function: { name: 'get_weather' } },
      toolFormat,
      reasoningFormat: 'none',
      temperature: 3,
      seed: 9,
      maxTokens: 200,
    } as const
    const generation = llm.chat(ASK, options)
    const calls: { id?: string; name?: string; text: string }[] = []
    let last: string | undefined
    for await (const part of generation) {
      for (const { index, id, function: called } of part.toolCalls ?? []) {
        assert.equal(id !== undefined, calls[index] === undefined, 'the first piece has the id')
        calls[index] ??= { id: id!, name: called.name!, text: '' }
        calls[index].text += called.arguments
      }
      last = part.finishReason ?? last
    }
    const { choices } = await generation
    assert.equal(last, 'tool_calls')
    assert.deepEqual(
      calls,
      choices[0]!.toolCalls!.map(({ id, function: called }) => ({ id, name: called.name, text: called.arguments })),
    )
    assert.equal(calls[0]!.name, 'get_weather')
    JSON.parse(calls[0]!.text)
  })
}

test('several calls in one answer', async () => {
  const counts = new Set<number>()
  for (let seed = 0; seed < 8; seed++) {
    const { choices } = await llm.chat(ASK, {
      tools: TOOLS,
      toolChoice: 'required',
      reasoningFormat: 'none',
      temperature: 8,
      seed,
      maxTokens: 120,
    })
    const { finishReason, toolCalls } = choices[0]!
    counts.add(toolCalls!.length)
    if (finishReason === 'tool_calls') for (const each of toolCalls!) checkCall(each)
    else assert.equal(finishReason, 'length')
    assert.equal(new Set(toolCalls!.map(({ id }) => id)).size, toolCalls!.length)
  }
  assert.ok(Math.max(...counts) > 1, [...counts].join())
})

test('cut off, a call has what came of its arguments', async () => {
  const named = { type: 'function', function: { name: 'get_weather' } } as const
  const full = (
    await llm.chat(ASK, { tools: TOOLS, toolChoice: named, reasoningFormat: 'none', seed: 1, maxTokens: 200 })
  ).choices[0]!
  const maxTokens = full.tokenIds.length - 12
  const [choice] = (
    await llm.chat(ASK, { tools: TOOLS, toolChoice: named, reasoningFormat: 'none', seed: 1, maxTokens })
  ).choices
  assert.equal(choice!.finishReason, 'length')
  const whole = full.toolCalls![0]!.function.arguments
  const cut = choice!.toolCalls![0]?.function.arguments ?? ''
  assert.ok(whole.startsWith(cut) && cut.length < whole.length)
})

test('with a format, an answer is of that format or calls a tool', async () => {
  const schema = { type: 'object', properties: { answer: { enum: ['sun', 'rain'] } }, required: ['answer'] }
  const seen = new Set<string>()
  for (let seed = 0; seed < 12; seed++) {
    const options = {
      tools: TOOLS,
      responseFormat: { type: 'json_schema', schema },
      reasoningFormat: 'none',
      temperature: 6,
      seed,
      maxTokens: 150,
    } as const
    const { text, toolCalls, finishReason } = (await llm.chat(ASK, options)).choices[0]!
    seen.add(finishReason)
    if (finishReason === 'stop') assert.match(JSON.parse(text).answer, /^(sun|rain)$/)
    else if (finishReason === 'tool_calls') for (const each of toolCalls!) checkCall(each)
  }
  assert.ok(seen.has('stop') && seen.has('tool_calls'), [...seen].join())
})

test('without tools, or with toolChoice none, nothing is called and nothing parsed', async () => {
  const plain = await llm.chat(ASK, { maxTokens: 8, seed: 1 })
  const none = await llm.chat(ASK, { tools: TOOLS, toolChoice: 'none', maxTokens: 8, seed: 1 })
  assert.equal(plain.choices[0]!.toolCalls, undefined)
  assert.deepEqual(none.choices[0]!.tokenIds, plain.choices[0]!.tokenIds)
  const auto = await llm.chat(ASK, { tools: TOOLS, maxTokens: 8 })
  assert.deepEqual(auto.choices[0]!.toolCalls, [])
  assert.ok(auto.usage.promptTokens > plain.usage.promptTokens)
})

test('reasoning comes before a constrained answer, where the prompt opens it', async () => {
  const options = {
    guidedRegex: '[a-z]{3}',
    templateVariables: { enable_thinking: true },
    temperature: 1,
    maxTokens: 400,
    n: 6,
    seed: 3,
  } as const
  const { choices } = await llm.chat(ASK, options)
  for (const { text, reasoning, finishReason } of choices) {
    if (finishReason === 'stop') assert.match(text, /^[a-z]{3}$/)
    else assert.equal(text, '')
    assert.ok(finishReason === 'stop' || (reasoning?.length ?? 0) > 0)
  }
  const unread = await llm.chat(ASK, { reasoningFormat: 'none', guidedRegex: '[a-z]{3}' })
  assert.match(unread.text, /^[a-z]{3}$/)
})

test('a conversation goes on with calls and their results, arguments as text or as data', async () => {
  const called = (value: unknown): ChatMessage[] => [
    ...ASK,
    {
      role: 'assistant',
      tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: value } }],
    },
    { role: 'tool', tool_call_id: 'call_1', content: '21 C' },
  ]
  const [asText, asData] = [
    await llm.chat(called('{"city":"Paris"}'), { tools: TOOLS, maxTokens: 5, seed: 1 }),
    await llm.chat(called({ city: 'Paris' }), { tools: TOOLS, maxTokens: 5, seed: 1 }),
  ]
  assert.deepEqual(asText.choices[0]!.tokenIds, asData.choices[0]!.tokenIds)
})

for (const [name, options, code] of [
  ['a call without tools', { toolChoice: 'required' }, 'option-invalid'],
  [
    'a tool that is not there',
    { tools: TOOLS, toolChoice: { type: 'function', function: { name: 'x' } } },
    'option-invalid',
  ],
  ['two of one name', { tools: [TOOLS[0], TOOLS[0]] }, 'option-invalid'],
  ['a name with spaces', { tools: [{ type: 'function', function: { name: 'a b' } }] }, 'option-invalid'],
  ['no function', { tools: [{ type: 'web_search' }] }, 'option-invalid'],
  ['an unknown format', { tools: TOOLS, toolFormat: 'xml' }, 'option-invalid'],
  ['marks with spaces', { reasoningFormat: { open: '< think', close: '>' } }, 'option-invalid'],
  [
    'parameters that are not supported',
    { tools: [{ type: 'function', function: { name: 'a', parameters: { not: {} } } }], toolChoice: 'required' },
    'schema-unsupported',
  ],
] as const) {
  test(`refused: ${name}`, async () => {
    await assert.rejects(async () => await llm.chat(ASK, options as object), { code })
  })
}

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Conversation } from '../../src/cli/conversation.js'
import { BUNDLED_MODEL, LLM } from '../../src/index.js'
import { start, warpline } from '../support/cli.js'

const REFERENCE = ['--device', 'reference']

test('a chat keeps its history, and forgets it when told to', async () => {
  const talk = (lines: string[]) =>
    warpline(['chat', ...REFERENCE, '--temperature', '0', '--max-tokens', '12'], { input: `${lines.join('\n')}\n` })
  const [once, twice, cleared] = await Promise.all([
    talk(['Tom had a red kite.']),
    talk(['Tom had a red kite.', 'Then it rained.']),
    talk(['Tom had a red kite.', '/clear', 'Tom had a red kite.']),
  ])
  assert.equal(once.status, 0, once.stderr)
  assert.ok(twice.stdout.startsWith(once.stdout))
  const alone = await talk(['Then it rained.'])
  assert.notEqual(twice.stdout.slice(once.stdout.length), alone.stdout)
  assert.equal(cleared.stdout, once.stdout + once.stdout)
})

test('Ctrl-C stops an answer and not the program', async () => {
  const child = start(['chat', ...REFERENCE, '--temperature', '0', '--max-tokens', '400', '--ignore-eos'])
  let stdout = ''
  let stderr = ''
  child.stderr!.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdin!.write('Once upon a time\n')
  await once(child.stdout!, 'data')
  child.stdout!.on('data', (chunk) => {
    stdout += chunk
  })
  child.kill('SIGINT')
  child.stdin!.end('/help\n')
  const [status] = await once(child, 'close')
  assert.equal(status, 0, stderr)
  assert.ok(stdout.length < 1500, 'the answer went on')
  assert.match(stderr, /\/clear forgets.*\/clear forgets/s)
})

test('a turn continues on the cache of the one before it, until the conversation is forgotten', async () => {
  const llm = await LLM.load(BUNDLED_MODEL, { device: 'reference' })
  try {
    const conversation = new Conversation(llm, { temperature: 0, maxTokens: 8 }, undefined)
    const { signal } = new AbortController()
    const ask = async (question: string) => {
      const { text, usage } = await conversation.ask(question, signal)
      conversation.remember(question, text)
      return usage
    }
    assert.equal((await ask('Tom had a red kite.')).cachedTokens, 0)
    const second = await ask('Then it rained.')
    assert.ok(second.cachedTokens > second.promptTokens / 2, `${second.cachedTokens} of ${second.promptTokens}`)
    conversation.forget()
    assert.equal((await ask('Tom had a red kite.')).cachedTokens, 0)
  } finally {
    await llm.close()
  }
})

test('a question that cannot be answered does not end the conversation, and a pipe learns of it', async () => {
  const long = 'very long '.repeat(600)
  const flags = [...REFERENCE, '--temperature', '0', '--max-tokens', '5']
  const { status, stdout, stderr } = await warpline(['chat', ...flags], {
    input: `${long}\nTom had a kite.\n${long}\n`,
  })
  assert.equal(status, 1)
  const said = stderr.trim().split('\n').slice(1)
  assert.equal(said.length, 2)
  assert.match(said[0]!, /^context-too-long: .*512 tokens; ask something shorter$/)
  assert.match(said[1]!, /^context-too-long: the conversation .*512 tokens; \/clear begins a new one$/)
  assert.ok(stdout.trim().length > 0)
})

test('a pipe sees no prompts; an unknown command is not sent to the model; /clear says that it was done', async () => {
  const { status, stdout, stderr } = await warpline(['chat', ...REFERENCE], {
    input: '/help\n/clera\n/clear\n/quit\nHi\n',
  })
  assert.equal(status, 0)
  assert.equal(stdout, '')
  assert.doesNotMatch(stderr, /> /)
  assert.match(stderr, /\nthere is no command \/clera; .*\nthe conversation is forgotten\n$/)
})

test('Ctrl-C between questions asks for another one, which leaves', async () => {
  const child = start(['chat', ...REFERENCE])
  let stderr = ''
  const said = async (text: string) => {
    while (!stderr.includes(text)) stderr += (await once(child.stderr!, 'data'))[0]
  }
  await said('/clear')
  child.kill('SIGINT')
  await said('press Ctrl-C again or Ctrl-D to leave')
  child.kill('SIGINT')
  const [status, signal] = await once(child, 'close')
  assert.equal(signal, null)
  assert.equal(status, 0)
})

test('chat --message that is interrupted prints what is done, says so and exits with 130', async () => {
  const flags = ['--message', 'Once upon a time', '--temperature', '0', '--max-tokens', '400', '--ignore-eos']
  const child = start(['chat', ...REFERENCE, ...flags])
  let stderr = ''
  child.stderr!.on('data', (chunk) => {
    stderr += chunk
  })
  await once(child.stdout!, 'data')
  child.stdout!.resume()
  child.kill('SIGINT')
  const [status] = await once(child, 'close')
  assert.equal(status, 130)
  assert.match(stderr, /cancelled;.*\n\d+ prompt tokens/)
})

test('chat prints one answer, and JSON of one question only', async () => {
  const cases: [string[], RegExp][] = [
    [['--json'], /^usage: .*--message\n$/],
    [['--n', '2'], /^usage: --n above 1 /],
    [['--message', 'Hi', '--n', '2'], /^usage: --n above 1 /],
    [['--message', 'Hi', '--logprobs', '1'], /^usage: --logprobs .*--json\n$/],
  ]
  for (const [flags, message] of cases) {
    const { status, stdout, stderr } = await warpline(['chat', ...flags])
    assert.equal(status, 2, stderr)
    assert.match(stderr, message)
    assert.equal(stdout, '')
  }
})

test('chat --message answers once; --json prints one object', async () => {
  const flags = [...REFERENCE, '--message', 'Tom had a red kite.', '--temperature', '0', '--max-tokens', '8']
  const [text, json] = await Promise.all([warpline(['chat', ...flags]), warpline(['chat', ...flags, '--json'])])
  assert.equal(text.status, 0, text.stderr)
  assert.equal(JSON.parse(json.stdout).choices[0].text, text.stdout.replace(/\n$/, ''))
})

test('a model without a chat template says what to do', async () => {
  const { status, stderr } = await warpline(['chat', 'test/golden/models/llama', '--message', 'x'])
  assert.equal(status, 1)
  assert.match(stderr, /^tokenizer-missing: /)
})

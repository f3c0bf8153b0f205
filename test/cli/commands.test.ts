import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { PROJECT, start, warpline } from '../support/cli.js'

const MODEL = join(PROJECT, 'test/golden/models/llama')
const golden = JSON.parse(readFileSync(join(MODEL, 'golden.json'), 'utf8'))
const REFERENCE = ['--device', 'reference']
const PROMPT = golden.prompts[2].join(',')
const scratch = mkdtempSync(join(tmpdir(), 'warpline-cli-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

/** A few at a time. */
async function each<T>(cases: readonly T[], check: (one: T) => Promise<void>): Promise<void> {
  const queue = cases.values()
  await Promise.all(
    [1, 2, 3].map(async () => {
      for (const one of queue) await check(one)
    }),
  )
}

test('generate --json prints one object with tokens, finish reason, usage and timing, and nothing else', async () => {
  const flags = ['--prompt-ids', PROMPT, '--max-tokens', '24', '--ignore-eos', '--temperature', '0', '--json']
  const { status, stdout, stderr } = await warpline(['generate', MODEL, ...REFERENCE, ...flags])
  assert.equal(status, 0, stderr)
  const result = JSON.parse(stdout)
  assert.deepEqual(result.choices[0].tokenIds, golden.greedy[2])
  assert.equal(result.choices[0].finishReason, 'length')
  assert.equal(result.choices[0].text, '')
  assert.deepEqual(result.usage, { promptTokens: 7, completionTokens: 24, totalTokens: 31, cachedTokens: 0 })
  assert.ok(result.timing.totalMs > 0)
})

test('generate streams token ids where a model has no tokenizer, and sums up on standard error', async () => {
  const flags = ['--prompt-ids', PROMPT, '--max-tokens', '5', '--ignore-eos', '--temperature', '0']
  const { status, stdout, stderr } = await warpline(['generate', '--model', MODEL, ...REFERENCE, ...flags])
  assert.equal(status, 0, stderr)
  assert.deepEqual(stdout.trim().split(' ').map(Number), golden.greedy[2].slice(0, 5))
  assert.match(
    stderr,
    /^7 prompt tokens \(.* tok\/s\), 5 new tokens \(.* tok\/s\), first token .* ms, reference \w+, .* MB peak\n$/,
  )
})

test('every flag of generate reaches the library', async () => {
  const flags = [
    '--n',
    '2',
    '--seed',
    '18446744073709551615',
    '--temperature',
    '0.9',
    '--top-k',
    '40',
    '--top-p',
    '0.9',
  ]
  flags.push(
    '--min-p',
    '0.01',
    '--repetition-penalty',
    '1.1',
    '--presence-penalty',
    '0.1',
    '--frequency-penalty',
    '0.1',
  )
  flags.push('--no-repeat-ngram-size', '2', '--logit-bias', '7:-100', '--stop-token-ids', '2,3', '--min-tokens', '2')
  flags.push(
    '--top-p-decay',
    '0.9',
    '--top-p-min',
    '0.5',
    '--top-p-reset-ids',
    '4',
    '--logprobs',
    '2',
    '--prompt-logprobs',
    '0',
    '--bad-words-ids',
    '9;5,6',
    '--hidden-states',
  )
  const run = () =>
    warpline(['generate', MODEL, ...REFERENCE, '--prompt-ids', PROMPT, '--max-tokens', '12', ...flags, '--json'])
  const [first, again] = await Promise.all([run(), run()])
  assert.equal(first.status, 0, first.stderr)
  const ids = (output: string) => JSON.parse(output).choices.map((choice: { tokenIds: number[] }) => choice.tokenIds)
  assert.deepEqual(ids(first.stdout), ids(again.stdout))
  assert.equal(ids(first.stdout).flat().includes(7), false)
  assert.equal(ids(first.stdout).flat().includes(9), false)
  assert.equal(JSON.parse(first.stdout).choices[1].logprobs[0].top.length, 2)
  assert.equal(JSON.parse(first.stdout).promptLogprobs.length, 7)
  assert.equal(JSON.parse(first.stdout).hiddenStates.length, 7)
})

test('beam search works from the command line', async () => {
  const [run] = golden.beam
  const flags = [
    '--num-beams',
    run.num_beams,
    '--n',
    run.num_beams,
    '--length-penalty',
    run.length_penalty,
    '--max-tokens',
    16,
  ]
  const prompt = golden.prompts[run.prompt].join(',')
  const { stdout, stderr } = await warpline([
    'generate',
    MODEL,
    ...REFERENCE,
    '--prompt-ids',
    prompt,
    ...flags.map(String),
    '--json',
  ])
  const { choices } = JSON.parse(stdout || stderr)
  assert.deepEqual(
    choices.map((choice: { tokenIds: number[] }) => choice.tokenIds),
    run.sequences,
  )
  for (const [i, score] of run.scores.entries()) assert.ok(Math.abs(choices[i].score - score) < 1e-3)
})

test('wrong usage exits with 2 and one line that helps', async () => {
  const one = ['generate', MODEL, ...REFERENCE, '--prompt-ids', '1']
  const cases: [string[], RegExp][] = [
    [['generat'], /^usage: unknown command 'generat' .*generate\?/],
    [['help', 'nope'], /^usage: unknown command 'nope'$/m],
    [['help', 'scor'], /^usage: unknown command 'scor' .*score\?/],
    [['generate', MODEL, '--max-token', '3'], /^usage: unknown option.*--max-tokens/],
    [['generate', MODEL, '--max-tokens', 'many'], /^usage: .*give a number/],
    [['generate', MODEL, '--prompt-ids', '1;2'], /^usage: .*5,17,3/],
    [['generate', MODEL, '--seed', '-1'], /^usage: .*from 0 to 18446744073709551615/],
    [['generate', MODEL, '--bad-words-ids', '5,x'], /^usage: .*5,6;7/],
    [['generate', MODEL, '--prompt', 'a', '--prompt-ids', '1'], /^usage: give one of/],
    [['generate', MODEL, '--model', 'other'], /^usage: two models/],
    [[...one, '--logprobs', '1'], /^usage: --logprobs .*add --json/],
    [[...one, '--hidden-states'], /^usage: --hidden-states .*add --json/],
    [[...one, '--max-tokens', '0'], /^parameter-invalid: --max-tokens is 0/],
    [[...one, '--temperature', '-1'], /^parameter-invalid: --temperature is -1/],
    [[...one, '--n', '100'], /^parameter-invalid: --n is 100/],
    [[...one, '--dtype', 'f99'], /^option-invalid: --dtype/],
    [['score', MODEL], /^usage: give one of/],
    [['score'], /^usage: (name a model|give)/],
    [['score', MODEL, '--prompt-ids', '1,2', '--limit', '0'], /^usage: .*--limit.* whole number from 1/],
    [['pull'], /^usage: name a model/],
    [['bench', MODEL, '--batches', 'x'], /^usage: .*whole numbers from 1/],
    [['bench', MODEL, ...REFERENCE, '--prompts', '256'], /^parameter-invalid: --prompts is 256; .* 255/],
    [['bench', MODEL, ...REFERENCE, '--new-tokens', '252'], /^parameter-invalid: --new-tokens is 252; .* 251/],
    [['inspect', MODEL, '--tokens', '0'], /^usage: .*--tokens.* whole number from 1/],
    [['inspect', MODEL, '--tokens', '257'], /^parameter-invalid: --tokens is 257; .* to 256/],
    [['inspect', MODEL, '--context', '257'], /^parameter-invalid: --context is 257; .* to 256/],
  ]
  await each(cases, async ([args, message]) => {
    const { status, stdout, stderr } = await warpline(args)
    assert.equal(status, 2, `${args}: ${stderr}`)
    assert.match(stderr, message)
    assert.equal(stderr.trim().split('\n').length, 1, stderr)
    assert.equal(stdout, '')
  })
})

test('a failure exits with 1 and one line: the code and what to change; the stack only with --debug', async () => {
  const one = ['generate', MODEL, ...REFERENCE, '--prompt-ids', '1']
  const cases: [string[], RegExp][] = [
    [['generate', join(scratch, 'nothing-here'), '--prompt-ids', '1'], /^[a-z-]+: /],
    [['generate', MODEL, ...REFERENCE, '--prompt', 'text'], /^tokenizer-missing: .*--prompt-ids/],
    [['generate', MODEL, ...REFERENCE, '--prompt-ids', '999'], /^token-out-of-range: /],
    [['generate', MODEL, '--prompt-ids', '1', '--device', 'cuda'], /^device-unavailable: --device cuda/],
    [[...one, '--dtype', 'int4'], /^dtype-unsupported: --dtype int4.*f32/],
    [[...one, '--cache-bytes', '0'], /^cache-too-small: .*--cache-bytes is 0.* --dtype or --kv-dtype/],
    [[...one, '--bad-words', 'x'], /^tokenizer-missing: .*--bad-words-ids/],
    [['generate', MODEL, '--prompt-file', join(scratch, 'none.txt')], /^file-missing: .*none\.txt/],
    [['score', MODEL, '--file', join(scratch, 'none.txt')], /^file-missing: .*none\.txt/],
    [
      ['score', MODEL, ...REFERENCE, '--prompt-ids', '1,2', '--prompt-ids', '3'],
      /^prompt-empty: text 2 of 2 has 1 token/,
    ],
    [
      ['generate', MODEL, ...REFERENCE, '--prompt-ids', Array(300).fill(5).join(',')],
      /^context-too-long: .*300.*256.*--truncate left/,
    ],
  ]
  await each(cases, async ([args, message]) => {
    const { status, stdout, stderr } = await warpline(args)
    assert.equal(status, 1, `${args}: ${stderr}`)
    assert.match(stderr, message)
    assert.equal(stderr.trim().split('\n').length, 1, stderr)
    assert.equal(stdout, '')
  })
  const { stderr } = await warpline(['generate', MODEL, '--prompt-ids', '999', '--debug'])
  assert.match(stderr, /\n\s+at /)
})

test('texts from files and from standard input must be valid UTF-8', async () => {
  const file = join(scratch, 'latin1.txt')
  const bytes = Buffer.from([0x63, 0x61, 0x66, 0xe9])
  writeFileSync(file, bytes)
  for (const args of [
    ['generate', MODEL, '--prompt-file', file],
    ['score', MODEL, '--file', file],
  ]) {
    const { status, stderr } = await warpline(args)
    assert.equal(status, 1)
    assert.match(stderr, /^prompt-invalid: .*latin1\.txt is not valid UTF-8/)
  }
  const { stderr } = await warpline(['score', MODEL, '--file', '-'], { input: bytes })
  assert.match(stderr, /^prompt-invalid: standard input is not valid UTF-8/)
})

test('generate continues each of several prompts of token ids', async () => {
  const prompts = golden.prompts.slice(0, 2).flatMap((ids: number[]) => ['--prompt-ids', ids.join(',')])
  const flags = ['--max-tokens', '5', '--ignore-eos', '--temperature', '0', '--json']
  const { stdout, stderr } = await warpline(['generate', MODEL, ...REFERENCE, ...prompts, ...flags])
  const { results } = JSON.parse(stdout || stderr)
  assert.deepEqual(
    results.map((result: { choices: { tokenIds: number[] }[] }) => result.choices[0]!.tokenIds),
    golden.greedy.slice(0, 2).map((ids: number[]) => ids.slice(0, 5)),
  )
})

test('inspect tells of tensors that the model does not read', async () => {
  const folder = join(scratch, 'fewer-layers')
  cpSync(MODEL, folder, { recursive: true })
  const config = JSON.parse(readFileSync(join(MODEL, 'config.json'), 'utf8'))
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, num_hidden_layers: 2 }))
  const [whole, cut] = await Promise.all([MODEL, folder].map((model) => warpline(['inspect', model, '--json'])))
  assert.deepEqual(JSON.parse(whole!.stdout).unusedTensors, [])
  const { unusedTensors } = JSON.parse(cut!.stdout)
  assert.ok(unusedTensors.length > 0 && unusedTensors.every((name: string) => name.includes('layers.2.')))
  assert.match((await warpline(['inspect', folder])).stdout, /tensors not used +\d+, the first is model\.layers\.2\./)
})

test('inspect describes a model without loading it, and prints its program', async () => {
  const { status, stdout } = await warpline(['inspect', MODEL, '--program', '--tokens', '16'])
  assert.equal(status, 0)
  assert.match(stdout, /family +llama/)
  assert.match(stdout, /generation defaults .*eosTokenIds/)
  assert.match(stdout, /prompt of 16 tokens\n +0 +copy-blocks/)
  assert.match(stdout, /attention .*FLOP/)
  const flags = [...REFERENCE, '--json', '--program', '--tokens', '10']
  const json = JSON.parse((await warpline(['inspect', MODEL, ...flags])).stdout)
  assert.equal(json.layers, 3)
  assert.equal(json.kvHeads, 2)
  const { prompt, decode } = json.program
  for (const key of ['bytesRead', 'bytesWritten', 'flops']) {
    const total = prompt.reduce((sum: number, { cost }: { cost: Record<string, number> }) => sum + cost[key]!, 0)
    assert.equal(json.cost.prompt[key], total, key)
  }
  assert.ok(json.cost.decode.flops > 0)
  const attention = decode.find(({ kind }: { kind: string }) => kind === 'attention')
  assert.equal(attention.constants.kvHeads, 2)
  assert.ok(
    attention.reads.some(({ kind, dtype }: { kind: string; dtype: string }) => kind === 'cache' && dtype === 'f32'),
  )
})

test('score sums up the texts of a file of token ids', async () => {
  const { status, stdout, stderr } = await warpline([
    'score',
    MODEL,
    ...REFERENCE,
    '--prompt-ids',
    golden.prompts[4].join(','),
    '--json',
  ])
  assert.equal(status, 0, stderr)
  const score = JSON.parse(stdout)
  assert.equal(score.tokens, golden.prompts[4].length - 1)
  assert.ok(score.meanNegativeLogLikelihood > 0)
})

test('score says where it cut a text', async () => {
  const ids = ['--prompt-ids', Array(300).fill(5).join(',')]
  const whole = await warpline(['score', MODEL, ...REFERENCE, ...ids, '--json'])
  assert.match(whole.stderr, /^the text was cut from 300 to 256 tokens\n/)
  assert.equal(JSON.parse(whole.stdout).tokens, 255)
  const some = await warpline(['score', MODEL, ...REFERENCE, ...ids, '--prompt-ids', '1,2', '--max-positions', '8'])
  assert.match(some.stderr, /^1 of 2 texts were cut to 8 tokens\n/)
})

test('bench prints a row for each prompt length and batch size', async () => {
  const flags = ['--prompts', '8,16', '--batches', '1,2', '--new-tokens', '4', '--repeats', '2', '--json']
  const { status, stdout, stderr } = await warpline(['bench', MODEL, ...REFERENCE, ...flags])
  assert.equal(status, 0, stderr)
  const { rows } = JSON.parse(stdout)
  assert.deepEqual(
    rows.map((row: { phase: string; batch: number; tokens: number }) => [row.phase, row.batch, row.tokens]),
    [
      ['prompt', 1, 8],
      ['prompt', 1, 16],
      ['decode', 1, 4],
      ['decode', 2, 4],
    ],
  )
  assert.ok(rows.every((row: { tokensPerSecond: number }) => row.tokensPerSecond > 0))
})

test('doctor says what can run here, and why the rest cannot', async () => {
  const { status, stdout } = await warpline(['doctor'])
  assert.equal(status, 0)
  assert.match(stdout, /device reference +usable/)
  assert.match(stdout, /default device/)
})

test('Ctrl-C ends a generation politely: what is done is printed, and the exit code tells', async () => {
  const child = start(['generate', ...REFERENCE, '--max-tokens', '400', '--ignore-eos', '--temperature', '0'])
  let stdout = ''
  let stderr = ''
  child.stderr!.on('data', (chunk) => {
    stderr += chunk
  })
  stdout += (await once(child.stdout!, 'data'))[0]
  child.stdout!.on('data', (chunk) => {
    stdout += chunk
  })
  child.kill('SIGINT')
  const [status] = await once(child, 'close')
  assert.equal(status, 130)
  assert.match(stdout, /^Once upon a time.*\n$/s)
  assert.match(stderr, /cancelled;.*\n\d+ prompt tokens .* new tokens /)
})

test('a reader that leaves early is no failure', async () => {
  const child = start(['inspect', MODEL, '--program'])
  child.stdout!.destroy()
  const [status] = await once(child, 'close')
  assert.equal(status, 0)
})

test('--version and --help succeed', async () => {
  const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'))
  assert.equal((await warpline(['--version'])).stdout, `${version}\n`)
  const { status, stdout } = await warpline(['--help'])
  assert.equal(status, 0)
  for (const command of ['generate', 'chat', 'score', 'inspect', 'bench', 'profile', 'pull', 'doctor'])
    assert.ok(stdout.includes(command))
  assert.equal((await warpline(['help', 'bench'])).stdout, (await warpline(['bench', '--help'])).stdout)
  assert.match((await warpline(['bench', '--help'])).stdout, /default: the bundled story writer.*default: 32,128/s)
})

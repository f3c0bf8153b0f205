import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { PROJECT, start, warpline } from '../support/cli.js'

const MODEL = join(PROJECT, 'test/golden/models/llama')
const golden = JSON.parse(readFileSync(join(MODEL, 'golden.json'), 'utf8'))
const PROMPT = golden.prompts[2].join(',')
const scratch = mkdtempSync(join(tmpdir(), 'warpline-cli-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

test('generate --json prints one object with tokens, finish reason, usage and timing, and nothing else', async () => {
  const flags = ['--prompt-ids', PROMPT, '--max-tokens', '24', '--ignore-eos', '--temperature', '0', '--json']
  const { status, stdout, stderr } = await warpline(['generate', MODEL, ...flags])
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
  const { status, stdout, stderr } = await warpline(['generate', '--model', MODEL, ...flags])
  assert.equal(status, 0, stderr)
  assert.deepEqual(stdout.trim().split(' ').map(Number), golden.greedy[2].slice(0, 5))
  assert.match(
    stderr,
    /^7 prompt tokens \(.* tok\/s\), 5 new tokens \(.* tok\/s\), first token .* ms, reference f32, .* MB peak\n$/,
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
  )
  const run = () => warpline(['generate', MODEL, '--prompt-ids', PROMPT, '--max-tokens', '12', ...flags, '--json'])
  const [first, again] = await Promise.all([run(), run()])
  assert.equal(first.status, 0, first.stderr)
  const ids = (output: string) => JSON.parse(output).choices.map((choice: { tokenIds: number[] }) => choice.tokenIds)
  assert.deepEqual(ids(first.stdout), ids(again.stdout))
  assert.equal(ids(first.stdout).flat().includes(7), false)
  assert.equal(JSON.parse(first.stdout).choices[1].logprobs[0].top.length, 2)
  assert.equal(JSON.parse(first.stdout).promptLogprobs.length, 7)
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
  const { stdout, stderr } = await warpline(['generate', MODEL, '--prompt-ids', prompt, ...flags.map(String), '--json'])
  const { choices } = JSON.parse(stdout || stderr)
  assert.deepEqual(
    choices.map((choice: { tokenIds: number[] }) => choice.tokenIds),
    run.sequences,
  )
  for (const [i, score] of run.scores.entries()) assert.ok(Math.abs(choices[i].score - score) < 1e-3)
})

test('wrong usage exits with 2 and one line that helps', async () => {
  const cases: [string[], RegExp][] = [
    [['generat'], /unknown command.*generate/s],
    [['generate', MODEL, '--max-token', '3'], /unknown option.*--max-tokens/s],
    [['generate', MODEL, '--max-tokens', 'many'], /give a number/],
    [['generate', MODEL, '--prompt-ids', '1;2'], /5,17,3/],
    [['generate', MODEL, '--prompt', 'a', '--prompt-ids', '1'], /^usage: give one of/],
    [['generate', MODEL, '--model', 'other'], /^usage: two models/],
    [['score', MODEL], /^usage: give one of/],
    [['score'], /^usage: (name a model|give)/],
    [['pull'], /^usage: name a model/],
  ]
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await warpline(args)
    assert.equal(status, 2, `${args}: ${stderr}`)
    assert.match(stderr, message)
    assert.equal(stdout, '')
  }
})

test('a failure exits with 1 and one line: the code and what to change; the stack only with --debug', async () => {
  const cases: [string[], RegExp][] = [
    [['generate', join(scratch, 'nothing-here'), '--prompt-ids', '1'], /^[a-z-]+: /],
    [['generate', MODEL, '--prompt', 'text'], /^tokenizer-missing: /],
    [['generate', MODEL, '--prompt-ids', '1', '--max-tokens', '0'], /^parameter-invalid: maxTokens/],
    [['generate', MODEL, '--prompt-ids', '1', '--temperature', '-1'], /^parameter-invalid: temperature/],
    [['generate', MODEL, '--prompt-ids', '999'], /^token-out-of-range: /],
    [['generate', MODEL, '--prompt-ids', '1', '--device', 'cuda'], /^device-unavailable: /],
    [['generate', MODEL, '--prompt-ids', '1', '--dtype', 'int4'], /^dtype-unsupported: .*f32/],
    [['generate', MODEL, '--prompt-ids', '1', '--dtype', 'f99'], /^option-invalid: dtype/],
    [['generate', MODEL, '--prompt-ids', '1', '--cache-bytes', '0'], /^cache-too-small: /],
    [['generate', MODEL, '--prompt-file', join(scratch, 'none.txt')], /^file-unreadable: /],
    [['generate', MODEL, '--prompt-ids', Array(300).fill(5).join(',')], /^context-too-long: .*300.*256/],
  ]
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await warpline(args)
    assert.equal(status, 1, `${args}: ${stderr}`)
    assert.match(stderr, message)
    assert.equal(stderr.trim().split('\n').length, 1, stderr)
    assert.equal(stdout, '')
  }
  const { stderr } = await warpline(['generate', MODEL, '--prompt-ids', '999', '--debug'])
  assert.match(stderr, /\n\s+at /)
})

test('a prompt file must be valid UTF-8', async () => {
  const file = join(scratch, 'latin1.txt')
  writeFileSync(file, Buffer.from([0x63, 0x61, 0x66, 0xe9]))
  const { status, stderr } = await warpline(['generate', MODEL, '--prompt-file', file])
  assert.equal(status, 1)
  assert.match(stderr, /^prompt-invalid: .*UTF-8/)
})

test('inspect describes a model without loading it, and prints its program', async () => {
  const { status, stdout } = await warpline(['inspect', MODEL, '--program', '--tokens', '16'])
  assert.equal(status, 0)
  assert.match(stdout, /family +llama/)
  assert.match(stdout, /generation defaults .*eosTokenIds/)
  assert.match(stdout, /prompt of 16 tokens\n +0 +copy-blocks/)
  assert.match(stdout, /attention .*FLOP/)
  const json = JSON.parse((await warpline(['inspect', MODEL, '--json'])).stdout)
  assert.equal(json.layers, 3)
  assert.equal(json.kvHeads, 2)
})

test('score sums up the texts of a file of token ids', async () => {
  const { status, stdout, stderr } = await warpline([
    'score',
    MODEL,
    '--prompt-ids',
    golden.prompts[4].join(','),
    '--json',
  ])
  assert.equal(status, 0, stderr)
  const score = JSON.parse(stdout)
  assert.equal(score.tokens, golden.prompts[4].length - 1)
  assert.ok(score.meanNegativeLogLikelihood > 0)
})

test('bench prints a row for each prompt length and batch size', async () => {
  const flags = ['--prompts', '8,16', '--batches', '1,2', '--new-tokens', '4', '--repeats', '2', '--json']
  const { status, stdout, stderr } = await warpline(['bench', MODEL, ...flags])
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

test('Ctrl-C ends a generation politely: what is done is kept', async () => {
  const child = start(['generate', MODEL, '--prompt-ids', PROMPT, '--max-tokens', '240', '--ignore-eos', '--json'])
  let stdout = ''
  let stderr = ''
  child.stdout!.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr!.on('data', (chunk) => {
    stderr += chunk
  })
  const slow = start(['generate', MODEL, '--prompt-ids', PROMPT, '--max-tokens', '240', '--ignore-eos'])
  await once(slow.stdout!, 'data')
  slow.kill('SIGINT')
  const [slowStatus] = await once(slow, 'close')
  assert.equal(slowStatus, 0)
  const [status] = await once(child, 'close')
  assert.equal(status, 0, stderr)
  assert.equal(JSON.parse(stdout).choices[0].finishReason, 'length')
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
  for (const command of ['generate', 'chat', 'score', 'inspect', 'bench', 'pull', 'doctor'])
    assert.ok(stdout.includes(command))
})

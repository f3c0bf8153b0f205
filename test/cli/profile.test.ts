import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { PROJECT, warpline } from '../support/cli.js'

const MODEL = join(PROJECT, 'test/golden/models/llama')
const FLAGS = ['--device', 'reference', '--tokens', '12', '--batch', '2', '--context', '9', '--repeats', '1']
const scratch = mkdtempSync(join(tmpdir(), 'warpline-profile-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

test('profile prints a table for the prompt and one for the decode step, without colours where nobody watches', async () => {
  const { status, stdout, stderr } = await warpline(['profile', MODEL, ...FLAGS])
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^the limits of device reference are not known/)
  assert.match(stdout, /^prompt of 12 tokens: [\d.]+ \w+, \d+ tok\/s$/m)
  assert.match(stdout, /^decode step, batch 2, context 9: /m)
  assert.match(stdout, /^linear up +3 x +[\d.]+ (us|ms) +[\d.]+ % .*░/m)
  assert.ok(!stdout.includes('\x1b'))
  assert.equal(stderr, 'reference f32, medians of 1\n')
})

test('profile --operations has a row for each operation', async () => {
  const { stdout } = await warpline(['profile', MODEL, ...FLAGS, '--operations'])
  for (const layer of [0, 1]) assert.match(stdout, new RegExp(`^attention layers\\.${layer}\\.attended `, 'm'))
})

test('profile --json prints the report and nothing else', async () => {
  const { status, stdout, stderr } = await warpline(['profile', MODEL, ...FLAGS, '--json'])
  assert.equal(status, 0, stderr)
  const report = JSON.parse(stdout)
  assert.deepEqual(report.shape, { tokens: 12, batch: 2, context: 9 })
  assert.deepEqual(
    report.phases.map(({ phase }: { phase: string }) => phase),
    ['prompt', 'decode'],
  )
  assert.equal(stderr, '')
})

test('profile --trace writes a timeline, or nothing at all', async () => {
  const path = join(scratch, 'trace.json')
  const { status, stderr } = await warpline(['profile', MODEL, ...FLAGS, '--trace', path])
  assert.equal(status, 0, stderr)
  assert.ok(stderr.includes(`timeline in ${path}`))
  const { traceEvents } = JSON.parse(readFileSync(path, 'utf8'))
  assert.ok(traceEvents.some(({ name, dur }: { name: string; dur: number }) => name === 'layers.1.attended' && dur > 0))
  assert.deepEqual(readdirSync(scratch), ['trace.json'])

  const refused = await warpline(['profile', MODEL, ...FLAGS, '--trace', join(scratch, 'absent', 'trace.json')])
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /^file-unwritable: /m)
})

test('profile refuses shapes by the names of its flags', async () => {
  const cases: [string[], number, RegExp][] = [
    [['--tokens', '0'], 2, /^usage: .*whole number from 1/],
    [['--tokens', '100000'], 2, /^parameter-invalid: --tokens is 100000/],
    [['--repeats', '5000'], 2, /^parameter-invalid: --repeats is 5000/],
  ]
  for (const [flags, expected, message] of cases) {
    const { status, stderr } = await warpline(['profile', MODEL, '--device', 'reference', ...flags])
    assert.equal(status, expected, stderr)
    assert.match(stderr, message)
  }
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
const examples = readdirSync(join(ROOT, 'examples')).filter((file) => file.endsWith('.mjs'))

/** What each prints, so that an example which silently does nothing fails. */
const EXPECTED: Record<string, RegExp> = {
  'batch.mjs': /^The cat\|.+\n(.+\n)+96 new tokens\n$/s,
  'beam-search.mjs': /^(-\d\.\d{3} .+){3}/s,
  'cancel.mjs': /cancelled after \d\d tokens\n$/,
  'logprobs.mjs': /^("[^"]+" \d+\.\d % .+\n){6}$/,
  'score.mjs': /The little dog ran.*\n.*Park the ran/,
  'structured-output.mjs': /^\{ ?\s*hero: .+animal: '(fox|bear|rabbit)'.+friends: [0-5]\s*\}\n(yes|no)\n$/s,
  'stream.mjs': /^Once upon a time, a small robot.{100,}\n$/s,
}

test('every example has an expectation', () => {
  assert.deepEqual(examples.sort(), Object.keys(EXPECTED).sort())
})

for (const example of examples) {
  test(`${example} runs`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'examples', example)], {
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
    assert.match(stdout, EXPECTED[example]!)
  })
}

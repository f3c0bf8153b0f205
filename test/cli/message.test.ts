import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inFlags } from '../../src/cli/message.js'

test('options of the library are named as flags', () => {
  const cases: [string, string][] = [
    ['maxTokens is 0; ask for at least 1 token', '--max-tokens is 0; ask for at least 1 token'],
    ['topPResetIds is 9; it must be', '--top-p-reset-ids is 9; it must be'],
    ['n and numBeams are both above 1', '--n and --num-beams are both above 1'],
    ['stop: a stop text is empty; leave it out', '--stop: a stop text is empty; leave it out'],
    ["shorten it, or pass truncate: 'left'", 'shorten it, or pass --truncate left'],
    [
      'cacheBytes is 1; choose a smaller model, dtype or kvDtype',
      '--cache-bytes is 1; choose a smaller model, --dtype or --kv-dtype',
    ],
    ['noRepeatNgramSize is -1', '--no-repeat-ngram-size is -1'],
  ]
  for (const [message, expected] of cases) assert.equal(inFlags(message), expected)
})

test('words and fields of files that are no options stay as they are', () => {
  for (const message of [
    'config.json: "n_positions" is 0',
    'the device has no memory left',
    'the checkpoint has a dtype that is unknown',
    'a temperature of the processor',
    '/models/topK/config.json is missing',
  ]) {
    assert.equal(inFlags(message), message)
  }
})

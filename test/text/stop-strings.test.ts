import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StopStrings } from '../../src/text/index.js'

function run(stops: string[], parts: string[], includeStop = false) {
  const matcher = new StopStrings(stops, { includeStop })
  let text = ''
  let stopped: string | undefined
  for (const part of parts) {
    const result = matcher.push(part)
    text += result.emit
    stopped ??= result.stopped
  }
  return { text: text + matcher.finish(), stopped }
}

/** The definition: the stop string that ends first, and of those that end together the longest. */
function byDefinition(stops: string[], text: string, includeStop: boolean) {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop)).sort((a, b) => b.length - a.length)
    if (ending[0] !== undefined) {
      return { text: text.slice(0, includeStop ? end : end - ending[0].length), stopped: ending[0] }
    }
  }
  return { text, stopped: undefined }
}

test('the match that is complete first ends the text, however the text is cut', () => {
  const letters = (minLength: number) => fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength, maxLength: 5 })
  fc.assert(
    fc.property(
      fc.array(letters(1), { maxLength: 4 }),
      fc.array(letters(0), { maxLength: 12 }),
      fc.boolean(),
      (stops, parts, include) => {
        assert.deepEqual(run(stops, parts, include), byDefinition(stops, parts.join(''), include))
      },
    ),
    { numRuns: 2000 },
  )
})

test('a beginning of a stop string is held back, and given out when it leads nowhere', () => {
  const matcher = new StopStrings(['\n\nUser:'])
  assert.deepEqual(matcher.push('Hello\n'), { emit: 'Hello' })
  assert.deepEqual(matcher.push('\nUs'), { emit: '' })
  assert.deepEqual(matcher.push('ually'), { emit: '\n\nUsually' })
  assert.deepEqual(matcher.push('\n\nUser: more'), { emit: '', stopped: '\n\nUser:' })
})

test('text after a stop string never comes out', () => {
  const matcher = new StopStrings(['END'])
  assert.deepEqual(matcher.push('a END b'), { emit: 'a ', stopped: 'END' })
  assert.deepEqual(matcher.push('c'), { emit: '' })
  assert.equal(matcher.finish(), '')
})

test('a stop string that is held back when the stream ends comes out', () => {
  const matcher = new StopStrings(['abc'])
  assert.equal(matcher.push('xab').emit, 'x')
  assert.equal(matcher.finish(), 'ab')
})

test('an empty stop string is refused', () => {
  assert.throws(() => new StopStrings(['a', '']), { code: 'stop-string-empty' })
})

test('without stop strings nothing is held back', () => {
  assert.deepEqual(new StopStrings([]).push('abc'), { emit: 'abc' })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Race } from '../../bench/cpu/contest.js'
import { WARPLINE } from '../../bench/cpu/entrants.js'
import { ratio, sample } from '../../bench/cpu/statistics.js'
import { DECODE, type RivalName } from '../../bench/cpu/targets.js'
import { judgeColdStart, judgeRace } from '../../bench/cpu/verdict.js'

function race(kind: 'prompt' | 'decode', rates: Record<string, readonly number[]>, limit?: readonly number[]): Race {
  const samples = Object.entries(rates).map(([name, values]) => [name as RivalName, sample(values)] as const)
  const workload = { kind, title: kind, tokens: 8, batch: 1, steps: 4 }
  return { workload, rates: new Map(samples), limit: limit && sample(limit) }
}

const outcomes = (...args: Parameters<typeof judgeRace>) => judgeRace(...args).map(({ outcome }) => outcome)

test('a sample is the median and half the distance of the quartiles', () => {
  const { median, spread } = sample([5, 1, 2, 4, 3])
  assert.deepEqual({ median, spread }, { median: 3, spread: 1 })
})

test('ratios compare runs of the same round', () => {
  const { median, spread } = ratio(sample([10, 40, 20]), sample([5, 20, 10]))
  assert.deepEqual({ median, spread }, { median: 2, spread: 0 })
})

test('a prompt meets its target only with every rival that the target names', () => {
  const ours = { [WARPLINE]: [200, 200, 200], 'onnxruntime FP32': [100, 100, 100] }
  assert.deepEqual(outcomes('bf16', race('prompt', { ...ours, 'llama.cpp BF16': [50, 50, 50] })), ['met', 'met'])
  assert.deepEqual(outcomes('bf16', race('prompt', { ...ours, 'llama.cpp BF16': [90, 90, 90] })), ['met', 'missed'])
})

test('where a target names several rivals the fastest counts', () => {
  const rates = { [WARPLINE]: [210, 210], 'llama.cpp Q4_0': [100, 100], 'onnxruntime INT4': [90, 90] }
  const [verdict] = judgeRace('int4', race('prompt', rates))
  assert.equal(verdict!.outcome, 'met')
  assert.match(verdict!.target, /llama\.cpp Q4_0/)
})

test('a miss that the spread explains is told apart', () => {
  const theirs = [100, 100, 100, 100, 100]
  const near = race('prompt', { [WARPLINE]: [80, 100, 108, 115, 130], 'onnxruntime FP32': theirs })
  const far = race('prompt', { [WARPLINE]: [106, 107, 108, 108, 109], 'onnxruntime FP32': theirs })
  assert.deepEqual(outcomes('f32', near), ['within spread'])
  assert.deepEqual(outcomes('f32', far), ['missed'])
})

test('decoding needs the multiple of its best peer or the share of the limit, not both', () => {
  const { times, ofLimit } = DECODE[1]!
  const rates = { [WARPLINE]: [110, 110], 'onnxruntime FP32': [100, 100] }
  assert.ok(times > 1.1)
  assert.deepEqual(outcomes('f32', race('decode', rates, [110 / ofLimit - 1, 110 / ofLimit - 1])), ['met'])
  assert.deepEqual(outcomes('f32', race('decode', rates, [220 / ofLimit, 220 / ofLimit])), ['missed'])
  assert.deepEqual(outcomes('f32', race('decode', { ...rates, [WARPLINE]: [130, 130] }, [1000, 1000])), ['met'])
})

test('without Warpline nothing is met', () => {
  assert.deepEqual(outcomes('f32', race('prompt', { 'onnxruntime FP32': [100, 100] })), ['not measured'])
  assert.deepEqual(outcomes('f32', race('decode', { 'onnxruntime FP32': [100, 100] }, [200, 200])), ['not measured'])
})

test('a start is late when the median less the spread is', () => {
  const start = (values: number[]) => ({ load: sample([0.1]), firstToken: sample(values) })
  const outcome = (values: number[]) => judgeColdStart('gpt2', start(values))[0]!.outcome
  assert.deepEqual(
    [outcome([0.5]), outcome([0.8, 1.1, 1.4]), outcome([1.3, 1.3, 1.4])],
    ['met', 'within spread', 'missed'],
  )
})

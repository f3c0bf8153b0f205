import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { profileText } from '../../../src/cli/profile-table.js'
import { chromeTrace } from '../../../src/llm/profile/chrome-trace.js'
import { type Measured, phaseOf } from '../../../src/llm/profile/phase.js'
import type { ProfileReport } from '../../../src/llm/profile/report.js'
import { decodeSteps, promptSteps, type StepPlan } from '../../../src/llm/profile/steps.js'
import { lower, REFERENCE_LOWERING } from '../../../src/model/lower.js'
import { costOf, promptShape, totalCost } from '../../../src/program/cost.js'
import { optimize } from '../../../src/program/passes/optimize.js'
import { rooflineOf } from '../../../src/program/roofline.js'
import { randomModel } from '../../support/random-model.js'

const { spec } = randomModel({ layers: 3 })
const program = optimize(lower(spec, REFERENCE_LOWERING))
const count = program.operations.length
const limits = { readBytes: 1e9, operations: { f32: 2e9 } }
const PLAN: StepPlan = { tokens: 9, batch: 2, context: 5, vocabulary: spec.vocabulary, blockSize: 4, maxTokens: 6 }

/** Operation i takes (i + 1) us, in one repeat much more; the host 500 us, in one repeat much more. */
function measured(planned: Measured['planned']): Measured {
  const times = [1, 1, 1].map((_, repeat) =>
    Float64Array.from({ length: count }, (_, i) => (i + 1) * 1000 * (repeat === i % 3 ? 50 : 1)),
  )
  const walls = times.map((one, repeat) => one.reduce((a, b) => a + b) + (repeat === 1 ? 9e9 : 500_000))
  return { planned, operations: times, walls }
}

const prompt = phaseOf('prompt', program, promptSteps(PLAN).map(measured), limits)
const decode = phaseOf('decode', program, [measured(decodeSteps(PLAN, 3).step)], undefined)
const report: ProfileReport = {
  model: 'random',
  device: 'cpu',
  dtype: 'f32',
  shape: { tokens: 9, batch: 2, context: 5 },
  repeats: 3,
  limits,
  phases: [prompt, decode],
}
const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
const near = (a: number, b: number) => assert.ok(Math.abs(a - b) <= 1e-9 * Math.abs(b), `${a} is not ${b}`)

describe('times', () => {
  test('are medians: one disturbed repeat counts nowhere', () => {
    assert.deepEqual(
      decode.operations.map(({ nanoseconds }) => nanoseconds),
      program.operations.map((_, i) => (i + 1) * 1000),
    )
    near(decode.hostNanoseconds, 500_000)
  })

  test('of a phase are those of its steps, and of a step those of its operations and the host', () => {
    assert.equal(prompt.steps.length, 2)
    for (const step of prompt.steps) near(step.nanoseconds, total(step.operations) + step.hostNanoseconds)
    near(prompt.nanoseconds, total(prompt.steps.map(({ nanoseconds }) => nanoseconds)))
    near(prompt.nanoseconds, total(prompt.operations.map(({ nanoseconds }) => nanoseconds)) + prompt.hostNanoseconds)
    near(prompt.tokensPerSecond, 9 / (prompt.nanoseconds / 1e9))
  })
})

describe('costs', () => {
  test('are those of the program, over all steps', () => {
    const { bytesRead, bytesWritten, flops } = totalCost(program, {
      queries: [
        { length: 1, context: 5 },
        { length: 1, context: 5 },
      ],
      rows: 2,
    })
    assert.deepEqual([decode.bytesRead, decode.bytesWritten, decode.flops], [bytesRead, bytesWritten, flops])
    const first = totalCost(program, { ...promptShape(6), rows: 0 })
    const second = totalCost(program, { queries: [{ length: 3, context: 9 }], rows: 1 })
    assert.equal(prompt.flops, first.flops + second.flops)
    assert.equal(prompt.bytesRead, first.bytesRead + second.bytesRead)
  })

  test('give each operation its roofline time, step by step', () => {
    const index = program.operations.findIndex(({ kind }) => kind === 'linear')
    const op = program.operations[index]!
    const times = promptSteps(PLAN).map(
      ({ shape }) => rooflineOf(costOf(program, op, shape), 'f32', limits).nanoseconds,
    )
    const { rooflineNanoseconds, nanoseconds, ratio } = prompt.operations[index]!
    near(rooflineNanoseconds!, total(times))
    near(ratio!, total(times) / nanoseconds)
  })

  test('stand alone where limits are not known', () => {
    for (const work of [decode, ...decode.groups, ...decode.operations]) {
      assert.ok(!('rooflineNanoseconds' in work) && !('ratio' in work) && !('bound' in work))
    }
  })
})

describe('groups', () => {
  test('hold every operation once, by what it is in its layer', () => {
    assert.equal(total(prompt.groups.map((group) => group.count)), count)
    const qkv = prompt.groups.find(({ kind, role }) => kind === 'linear' && role === 'qkv')!
    assert.equal(qkv.count, 3)
    const members = prompt.operations.filter(({ role }) => role === 'qkv')
    assert.deepEqual(
      members.map(({ layer }) => layer),
      [0, 1, 2],
    )
    for (const field of ['nanoseconds', 'bytesRead', 'bytesWritten', 'flops', 'rooflineNanoseconds'] as const) {
      near(qkv[field]!, total(members.map((member) => member[field]!)))
      near(total(prompt.groups.map((group) => group[field]!)), total(prompt.operations.map((one) => one[field]!)))
    }
    near(qkv.ratio!, qkv.rooflineNanoseconds! / qkv.nanoseconds)
  })
})

describe('the timeline', () => {
  const { traceEvents } = chromeTrace(report)
  const spans = (pid: number, category?: string) =>
    traceEvents.filter(
      ({ ph, pid: process, cat }) => ph === 'X' && process === pid && (category === undefined || cat === category),
    )

  test('is JSON in Chrome’s format: spans with finite times, one process a phase', () => {
    const { traceEvents: read } = JSON.parse(JSON.stringify(chromeTrace(report)))
    assert.deepEqual(
      read.filter(({ ph }: { ph: string }) => ph === 'M').map((event: { args: object }) => event.args),
      [{ name: 'prompt' }, { name: 'decode' }],
    )
    for (const { ph, name, ts, dur } of read) {
      assert.ok(typeof name === 'string' && ['M', 'X'].includes(ph))
      if (ph === 'X') assert.ok(Number.isFinite(ts) && ts >= 0 && Number.isFinite(dur) && dur >= 0, name)
    }
  })

  test('nests operations in layers in steps, and no two of a kind overlap', () => {
    for (const pid of [1, 2]) {
      const steps = spans(pid, 'step')
      const layers = spans(pid, 'layer')
      const operations = spans(pid).filter(({ cat }) => cat !== 'step' && cat !== 'layer')
      assert.equal(operations.length, count * steps.length)
      assert.equal(layers.length, 3 * steps.length)
      for (const row of [steps, layers, operations]) {
        for (let i = 1; i < row.length; i++) assert.ok(row[i]!.ts! >= row[i - 1]!.ts! + row[i - 1]!.dur! - 1e-6)
      }
      const inside = (child: (typeof steps)[0], parents: typeof steps) =>
        parents.some(({ ts, dur }) => child.ts! >= ts! - 1e-6 && child.ts! + child.dur! <= ts! + dur! + 1e-6)
      for (const child of [...layers, ...operations]) assert.ok(inside(child, steps), child.name)
      for (const child of operations.filter(({ name }) => name.startsWith('layers.'))) assert.ok(inside(child, layers))
    }
  })
})

describe('the table', () => {
  const style = { width: 160, colour: false, operations: false }

  test('has a row for each role with its share, and bars as long as the times', () => {
    const text = profileText(report, style)
    const row = text.split('\n').find((line) => line.startsWith('linear qkv'))!
    const { nanoseconds } = prompt.groups.find(({ role }) => role === 'qkv')!
    assert.ok(row.includes(`${((nanoseconds / prompt.nanoseconds) * 100).toFixed(1)} %`), row)
    const bars = text.split('\n').map((line) => /[█░]+$/.exec(line)?.[0].length ?? 0)
    assert.equal(Math.max(...bars), 40)
    assert.ok(text.includes('at the limits') && text.includes('decode step, batch 2, context 5'))
    assert.ok(!text.includes('\x1b'))
  })

  test('has a row for each operation on request, and colours on request', () => {
    const text = profileText(report, { ...style, operations: true, colour: true })
    for (const { name } of decode.operations) assert.ok(new RegExp(`(^| )${name} `, 'm').test(text), name)
    assert.ok(text.includes('\x1b[33m'))
  })

  test('draws the step as one line in which wide roles are named', () => {
    const strips = profileText(report, { ...style, width: 100 })
      .split('\n')
      .filter((line) => line.startsWith('|'))
    assert.equal(strips.length, 2)
    for (const strip of strips) {
      assert.equal(strip.length, 100)
      assert.match(strip, /\|host +\|$/)
    }
  })
})

/**
 * What a step costs the host: `npm run bench:engine`. An executor that computes nothing stands for the device; all else is
 * what runs in production: engine, events, detokenizers, stop strings, and a reader of every stream.
 */
import { loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Tokenizer } from '../../src/text/index.js'
import { quantile, sample } from '../cpu/statistics.js'
import { type Load, runStreams } from './clients.js'
import { Device } from './device.js'

interface Row {
  readonly sequences: number
  readonly stepsAhead: number
  /** From one step to the next where a step takes no time: the median, and what a tenth of the steps stays below. */
  readonly stepUs: number
  readonly undisturbedUs: number
  /** The mean of the same, with garbage collection and the beginnings and ends of streams. */
  readonly meanUs: number
  /** By how much the mean step takes longer than the device. */
  readonly exposedUs: number
}

const { values } = parseArgs({
  options: {
    sequences: { type: 'string', default: '1,8,64,256' },
    'prompt-tokens': { type: 'string', default: '16' },
    'new-tokens': { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '5' },
    'step-ms': { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})

const tokenizer = (await Tokenizer.load(fileURLToPath(new URL('../../models/warpline-stories', import.meta.url))))!
const rounds = Number(values.rounds)
const stepMs = Number(values['step-ms'])
const rows: Row[] = []
for (const sequences of values.sequences.split(',').map(Number)) {
  const load = { sequences, promptTokens: Number(values['prompt-tokens']), newTokens: Number(values['new-tokens']) }
  for (const stepsAhead of [0, 1] as const) {
    const alone = await measure(load, stepsAhead, 0)
    const beside = await measure({ ...load, newTokens: Math.ceil(load.newTokens / 4) }, stepsAhead, stepMs)
    rows.push({ sequences, stepsAhead, ...alone, exposedUs: beside.meanUs - stepMs * 1000 })
  }
}
if (values.json)
  process.stdout.write(`${JSON.stringify({ node: process.version, load: loadavg()[0], stepMs, rows })}\n`)
else print()

/** Microseconds, of all rounds but the first, which only warms up. */
async function measure(load: Load, stepsAhead: 0 | 1, ms: number) {
  const means: number[] = []
  const periods: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const device = new Device(stepsAhead, ms, tokenizer.vocabSize)
    const started = performance.now()
    await runStreams(device, tokenizer, load)
    if (round === 0) continue
    means.push(((performance.now() - started) / device.steps) * 1000)
    for (const period of device.periods) periods.push(period * 1000)
  }
  periods.sort((a, b) => a - b)
  return { stepUs: quantile(periods, 0.5), undisturbedUs: quantile(periods, 0.1), meanUs: sample(means).median }
}

function print(): void {
  const heads = ['sequences', 'steps ahead', 'us/step', 'undisturbed', 'mean', `not hidden by ${stepMs} ms`]
  const lines = rows.map((row) => [
    ...[row.sequences, row.stepsAhead].map(String),
    ...[row.stepUs, row.undisturbedUs, row.meanUs, row.exposedUs].map((us) => us.toFixed(1)),
  ])
  for (const line of [heads, ...lines]) {
    process.stdout.write(`${line.map((cell, i) => cell.padStart(heads[i]!.length)).join('  ')}\n`)
  }
}

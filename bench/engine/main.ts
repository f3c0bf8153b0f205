/**
 * What a step costs the host: `npm run bench:engine`. An executor that computes nothing stands for the device; all else is
 * what runs in production: engine, events, detokenizers, stop strings, and a reader of every stream.
 */
import { loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Tokenizer } from '../../src/text/index.js'
import { sample } from '../cpu/statistics.js'
import { type Load, runStreams } from './clients.js'
import { Device } from './device.js'

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
const rows: {
  sequences: number
  stepsAhead: number
  hostUs: number
  cpuUs: number
  gapUs: number
  exposedUs: number
}[] = []
for (const sequences of values.sequences.split(',').map(Number)) {
  const load = { sequences, promptTokens: Number(values['prompt-tokens']), newTokens: Number(values['new-tokens']) }
  for (const stepsAhead of [0, 1] as const) {
    const alone = await measure(load, stepsAhead, 0)
    const beside = await measure({ ...load, newTokens: Math.ceil(load.newTokens / 4) }, stepsAhead, stepMs)
    rows.push({
      sequences,
      stepsAhead,
      hostUs: alone.stepUs,
      cpuUs: alone.cpuUs,
      gapUs: alone.gapUs,
      exposedUs: beside.stepUs - stepMs * 1000,
    })
  }
}
if (values.json)
  process.stdout.write(`${JSON.stringify({ node: process.version, load: loadavg()[0], stepMs, rows })}\n`)
else print()

/** Medians over the rounds, the first of which only warms up. Microseconds. */
async function measure(load: Load, stepsAhead: 0 | 1, ms: number) {
  const steps: number[] = []
  const cpu: number[] = []
  const gaps: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const device = new Device(stepsAhead, ms, tokenizer.vocabSize)
    const started = performance.now()
    const cpuBefore = process.cpuUsage()
    await runStreams(device, tokenizer, load)
    if (round === 0) continue
    const { user, system } = process.cpuUsage(cpuBefore)
    cpu.push((user + system) / device.steps)
    steps.push(((performance.now() - started) / device.steps) * 1000)
    gaps.push(sample(device.gaps).median * 1000)
  }
  return { stepUs: sample(steps).median, cpuUs: sample(cpu).median, gapUs: sample(gaps).median }
}

function print(): void {
  process.stdout.write('sequences  steps ahead  host us/step  cpu us/step  result to next step us  not hidden us\n')
  for (const row of rows) {
    const cells = [
      row.sequences,
      row.stepsAhead,
      row.hostUs.toFixed(1),
      row.cpuUs.toFixed(1),
      row.gapUs.toFixed(1),
      row.exposedUs.toFixed(1),
    ]
    process.stdout.write(`${cells.map((cell, i) => String(cell).padStart([9, 13, 14, 13, 24, 15][i]!)).join('')}\n`)
  }
}

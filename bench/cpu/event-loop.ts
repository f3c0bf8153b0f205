/**
 * How late a 1 ms timer of the same process fires while a model generates: `npm run bench:event-loop -- [--json]
 * [--threads N] [--seconds N] [--dtype TYPE]`. A delay is the time from when the timer was due to when it ran; Node counts
 * timers in whole milliseconds, so that an idle process is up to one late too. On Linux two more columns tell why: what the
 * thread of the event loop computed between two timers, and how long it waited for a processor that others held.
 */
import { readFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { BUNDLED_MODEL, type GenerateOptions, LLM } from '../../src/index.js'
import { modelFile } from './models/model-files.js'
import { FULL } from './shapes.js'

const say = (line: string) => void process.stderr.write(`${line}\n`)

interface Row {
  readonly model: string
  readonly load: string
  readonly timers: number
  /** Milliseconds. */
  readonly median: number
  readonly p99: number
  readonly longest: number
  /** 99th percentiles; absent where the system does not tell. */
  readonly computing?: number
  readonly waiting?: number
  readonly tokensPerSecond: number
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    threads: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    dtype: { type: 'string' },
  },
})
const seconds = Number(values.seconds)
const threads = values.threads === undefined ? undefined : Number(values.threads)
if (!(seconds > 0) || (threads !== undefined && !(threads >= 1))) throw new Error('give numbers from 1')

const rows: Row[] = [await timed('none', 'idle', () => sleep())]
const large = await modelFile(FULL.gpt2, { kind: 'hugging-face' }, say)
for (const [model, path] of [
  ['bundled, 7.5M', BUNDLED_MODEL],
  [FULL.gpt2.title, large],
] as const) {
  const dtype = values.dtype as 'auto' | undefined
  const llm = await LLM.load(path, { device: 'cpu', threads, ...(dtype && { dtype }) })
  try {
    const decode = { maxTokens: 256, temperature: 0.8, topP: 0.95, ignoreEos: true }
    const prompt = { maxTokens: 1, temperature: 0, ignoreEos: true }
    await generate(llm, 8, 8, decode)
    rows.push(await timed(model, 'decode, 1 sequence', () => generate(llm, 1, 8, decode)))
    rows.push(await timed(model, 'decode, 8 sequences', () => generate(llm, 8, 8, decode)))
    rows.push(await timed(model, 'prompts of 500 tokens', () => generate(llm, 1, 500, prompt)))
  } finally {
    await llm.close()
  }
}
const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, load: loadavg(), node: process.version }
if (values.json) process.stdout.write(`${JSON.stringify({ machine, threads, rows })}\n`)
else process.stdout.write(`${table()}\n`)

/** Repeats `work`, which returns the tokens that it computed, with a timer beside it. */
async function timed(model: string, load: string, work: () => Promise<number>): Promise<Row> {
  const delays: number[] = []
  const computing: number[] = []
  const waiting: number[] = []
  let seen = scheduled()
  let due = performance.now() + 1
  let timer = setTimeout(tick, 1)
  function tick() {
    const now = performance.now()
    delays.push(Math.max(0, now - due))
    const found = scheduled()
    if (found && seen) {
      computing.push(found.ran - seen.ran)
      waiting.push(found.waited - seen.waited)
    }
    seen = found
    due = performance.now() + 1
    timer = setTimeout(tick, 1)
  }
  const started = performance.now()
  let tokens = 0
  while (performance.now() - started < seconds * 1000) tokens += await work()
  const elapsed = (performance.now() - started) / 1000
  clearTimeout(timer)
  return {
    ...{ model, load, timers: delays.length },
    ...{ median: quantile(delays, 0.5)!, p99: quantile(delays, 0.99)!, longest: quantile(delays, 1)! },
    ...{ computing: quantile(computing, 0.99), waiting: quantile(waiting, 0.99) },
    tokensPerSecond: tokens / elapsed,
  }
}

/** Milliseconds that this thread has run, and has been ready to run while others did. */
function scheduled(): { ran: number; waited: number } | undefined {
  try {
    const [ran, waited] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ').map(Number)
    return { ran: ran! / 1e6, waited: waited! / 1e6 }
  } catch {
    return undefined
  }
}

function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}

async function generate(llm: LLM, sequences: number, length: number, options: GenerateOptions): Promise<number> {
  const prompts = Array.from({ length: sequences }, (_, i) => Array.from({ length }, (_, t) => (t * 31 + i) % 4000))
  let parts = 0
  // Streamed, as a server does.
  for await (const _ of llm.generate(prompts, options)) parts++
  return options.maxTokens === 1 ? sequences * length : parts
}

async function sleep(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 100))
  return 0
}

function table(): string {
  const cells = rows.map(({ model, load, median, p99, longest, computing, waiting, tokensPerSecond }) => {
    const times = [median, p99, longest, computing, waiting].map((time) => time?.toFixed(2) ?? '')
    return [model, load, ...times, tokensPerSecond.toFixed(0)]
  })
  const heads = ['model', 'load', 'median ms', 'p99 ms', 'longest ms', 'p99 computing', 'p99 waiting', 'tok/s']
  const all = [heads, ...cells]
  const widths = all[0]!.map((_, i) => Math.max(...all.map((line) => line[i]!.length)))
  const aligned = (line: string[]) =>
    line.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
  return all.map((line) => aligned(line).join('  ')).join('\n')
}

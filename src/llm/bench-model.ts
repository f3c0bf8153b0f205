import { WarplineError } from '../errors.js'
import type { LLM } from './llm.js'

export interface BenchOptions {
  /** Prompt lengths to time. */
  readonly prompts: readonly number[]
  /** Sequences that decode together. */
  readonly batches: readonly number[]
  /** Tokens each of them decodes. */
  readonly newTokens: number
  /** Timed runs, after one that is not. */
  readonly repeats: number
}

export interface BenchRow {
  readonly phase: 'prompt' | 'decode'
  readonly batch: number
  /** Of the prompt, or new tokens of each sequence. */
  readonly tokens: number
  /** The median, and both ends of the spread. */
  readonly tokensPerSecond: number
  readonly slowest: number
  readonly fastest: number
}

const DECODE_PROMPT = 4

/** Times prompts and decoding on random tokens, greedy, end tokens ignored. */
export async function benchModel(llm: LLM, options: BenchOptions): Promise<BenchRow[]> {
  const { prompts, batches, newTokens, repeats } = options
  const positive = [...prompts, ...batches, newTokens, repeats].every(
    (value) => Number.isSafeInteger(value) && value > 0,
  )
  if (!positive) throw new WarplineError('option-invalid', 'lengths, batches and repeats must be whole numbers from 1')
  // What the context cuts short would be timed as if it had run.
  checkLength('prompts', Math.max(...prompts), llm.info.contextLength - 1)
  checkLength('newTokens', newTokens, llm.info.contextLength - DECODE_PROMPT - 1)
  const rows: BenchRow[] = []
  for (const tokens of prompts) {
    const rates = await repeat(repeats, () => promptRate(llm, tokens))
    rows.push({ phase: 'prompt', batch: 1, tokens, ...spread(rates) })
  }
  for (const batch of batches) {
    const rates = await repeat(repeats, () => decodeRate(llm, batch, newTokens))
    rows.push({ phase: 'decode', batch, tokens: newTokens, ...spread(rates) })
  }
  return rows
}

function checkLength(name: string, length: number, most: number): void {
  if (length <= most) return
  throw new WarplineError('parameter-invalid', `${name} is ${length}; the context allows ${most}`)
}

async function promptRate(llm: LLM, tokens: number): Promise<number> {
  const { timing } = await llm.generate(randomPrompt(llm, tokens), { maxTokens: 1, ignoreEos: true, temperature: 0 })
  return (tokens * 1000) / timing.timeToFirstTokenMs
}

async function decodeRate(llm: LLM, batch: number, newTokens: number): Promise<number> {
  const prompts = Array.from({ length: batch }, () => randomPrompt(llm, DECODE_PROMPT))
  const options = { maxTokens: newTokens + 1, ignoreEos: true, temperature: 0 }
  let firstAt = 0
  for await (const _ of llm.generate(prompts, options)) firstAt ||= performance.now()
  return (batch * newTokens * 1000) / (performance.now() - firstAt)
}

function randomPrompt(llm: LLM, tokens: number): number[] {
  return Array.from({ length: tokens }, () => Math.floor(Math.random() * llm.info.vocabulary))
}

async function repeat(times: number, measure: () => Promise<number>): Promise<number[]> {
  await measure()
  const rates: number[] = []
  for (let i = 0; i < times; i++) rates.push(await measure())
  return rates.sort((a, b) => a - b)
}

function spread(sorted: readonly number[]) {
  return { tokensPerSecond: sorted[sorted.length >> 1]!, slowest: sorted[0]!, fastest: sorted.at(-1)! }
}

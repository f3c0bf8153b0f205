import { LLM } from '../../src/index.js'
import { type BenchModel, writeModel } from './models.js'

export interface RunOptions {
  readonly folder: string
  readonly maxSequences: number
  readonly maxBatchTokens: number
  readonly contextLength: number
  readonly dtype: 'f16' | 'bf16'
}

/** Loads a model of random weights on the GPU, and closes it after `use`. */
export async function withModel<T>(model: BenchModel, options: RunOptions, use: (llm: LLM) => Promise<T>): Promise<T> {
  const { folder, ...load } = options
  const llm = await LLM.load(writeModel(model, folder), { device: 'cuda', randomWeights: true, ...load })
  try {
    return await use(llm)
  } finally {
    await llm.close()
  }
}

export interface Timing {
  /** Milliseconds of the whole request, and until the first token of all sequences. */
  readonly total: number
  readonly first: number
}

/** A batch of requests with random prompts, greedy, all at once. */
export async function timeRequest(llm: LLM, batch: number, input: number, output: number): Promise<Timing> {
  const prompts = Array.from({ length: batch }, () => randomIds(input, llm.info.vocabulary))
  const options = { maxTokens: output, ignoreEos: true, temperature: 0 }
  const started = performance.now()
  let first = 0
  let waiting = batch
  const seen = new Set<number>()
  for await (const { prompt } of llm.generate(prompts, options)) {
    if (seen.has(prompt)) continue
    seen.add(prompt)
    if (--waiting === 0) first = performance.now() - started
  }
  return { total: performance.now() - started, first }
}

/** The run with the median total, after runs that warm up. */
export async function medianRequest(llm: LLM, batch: number, input: number, output: number, runs = 5): Promise<Timing> {
  for (let i = 0; i < 2; i++) await timeRequest(llm, batch, input, output)
  const timings: Timing[] = []
  for (let i = 0; i < runs; i++) timings.push(await timeRequest(llm, batch, input, output))
  return timings.sort((a, b) => a.total - b.total)[runs >> 1]!
}

function randomIds(length: number, vocabulary: number): number[] {
  return Array.from({ length }, () => Math.floor(Math.random() * vocabulary))
}

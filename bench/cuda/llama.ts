import { decodeLimit, type Machine, promptLimit } from './limits.js'
import { type BenchModel, LLAMA_MODELS } from './models.js'
import type { Row } from './report.js'
import { medianRequest, withModel } from './runs.js'

const BATCHES = [1, 8, 32, 128]
const PROMPTS = [128, 512, 2048, 8192]
/** As the rivals were measured: tokens in, tokens out. */
const [INPUT, OUTPUT] = [128, 128]
/** Share of the limit that is aimed at. */
const DECODE_TARGETS: Readonly<Record<number, number>> = { 1: 0.9, 8: 0.88, 32: 0.87, 128: 0.8 }
const PROMPT_TARGETS: Readonly<Record<number, number>> = { 512: 0.76, 2048: 0.81 }

/** Decoding of batches and reading of prompts, BF16. */
export async function* llamaRows(folder: string, machine: Machine, only?: string): AsyncGenerator<Row> {
  for (const [name, model] of Object.entries(LLAMA_MODELS)) {
    if (only && !name.includes(only)) continue
    const contextLength = Math.min(8192 + 16, model.config.max_position_embeddings as number)
    const options = { folder, maxSequences: 128, maxBatchTokens: 8192, contextLength, dtype: 'bf16' } as const
    const rows = await withModel(model, options, async (llm) => {
      const done: Row[] = []
      for (const batch of BATCHES) done.push(await decodeRow(llm, name, model, batch, machine))
      for (const tokens of PROMPTS)
        if (tokens < contextLength) done.push(await promptRow(llm, name, model, tokens, machine))
      return done
    })
    yield* rows
  }
}

type Llm = Parameters<typeof medianRequest>[0]

async function decodeRow(llm: Llm, name: string, model: BenchModel, batch: number, machine: Machine): Promise<Row> {
  const { total, first } = await medianRequest(llm, batch, INPUT, OUTPUT, 3)
  const value = (batch * (OUTPUT - 1) * 1000) / (total - first)
  const limit = batch / decodeLimit(model, batch, INPUT + OUTPUT / 2, machine)
  return {
    section: 'decode',
    name: `${name} x${batch}`,
    value,
    unit: 'tok/s',
    limit,
    ratio: value / limit,
    target: DECODE_TARGETS[batch],
  }
}

async function promptRow(llm: Llm, name: string, model: BenchModel, tokens: number, machine: Machine): Promise<Row> {
  const { first } = await medianRequest(llm, 1, tokens, 2, 5)
  const value = (tokens * 1000) / first
  const limit = tokens / promptLimit(model, tokens, machine)
  return {
    section: 'prompt',
    name: `${name} prompt ${tokens}`,
    value,
    unit: 'tok/s',
    limit,
    ratio: value / limit,
    target: PROMPT_TARGETS[tokens],
  }
}

import type { Executor } from '../../src/backend/executor.js'
import { Random } from './random.js'
import { type SequencePart, stepInputs } from './steps.js'

/** Vocabulary of the random models. */
const VOCABULARY = 61

/** Logits of every token of every text. */
export type Results = Float32Array[][]

/** Texts, and the cache that they run in. */
export interface Texts {
  readonly texts: readonly number[][]
  readonly blockSize: number
  readonly blocks: number
}

export function randomTexts(lengths: readonly number[], cache: { blockSize: number; blocks: number }): Texts {
  const random = new Random(3)
  return { texts: lengths.map((length) => Array.from({ length }, () => random.below(VOCABULARY))), ...cache }
}

/** Each text alone, in one step, in blocks 0, 1, 2, ... */
export async function runAlone(executor: Executor, { texts, blockSize }: Texts): Promise<Results> {
  const results: Results = []
  for (const ids of texts) {
    const blocks = Array.from({ length: Math.ceil(ids.length / blockSize) }, (_, i) => i)
    const part = { ids, cached: 0, blocks, promptLength: ids.length }
    const { logits } = await executor.step(stepInputs([part], { blockSize, rows: 'all' }))
    results.push(ids.map((_, i) => logits!.slice(i * VOCABULARY, (i + 1) * VOCABULARY)))
  }
  return results
}

/** All texts together, cut into chunks, in blocks all over the cache, standing beside each other in any order. */
export async function runTogether(
  executor: Executor,
  { texts, blockSize, blocks: total }: Texts,
  seed: number,
  longestChunk: number,
): Promise<Results> {
  const choose = new Random(seed)
  const free = choose.shuffle(Array.from({ length: total }, (_, i) => i))
  const sequences = texts.map((ids) => ({ ids, done: 0, blocks: [] as number[], logits: [] as Float32Array[] }))
  for (;;) {
    const waiting = choose.shuffle(sequences.filter(({ ids, done }) => done < ids.length))
    if (waiting.length === 0) return sequences.map(({ logits }) => logits)
    const chosen = waiting.slice(0, 1 + choose.below(waiting.length))
    const parts = chosen.map((sequence): SequencePart => {
      const { ids, done: cached, blocks } = sequence
      const count = Math.min(1 + choose.below(longestChunk), ids.length - cached)
      while (blocks.length * blockSize < cached + count) blocks.push(free.pop()!)
      sequence.done += count
      return { ids: ids.slice(cached, cached + count), cached, blocks: [...blocks], promptLength: ids.length }
    })
    const { logits } = await executor.step(stepInputs(parts, { blockSize, rows: 'all' }))
    let row = 0
    parts.forEach(({ ids }, i) => {
      for (const _ of ids) chosen[i]!.logits.push(logits!.slice(row * VOCABULARY, ++row * VOCABULARY))
    })
  }
}

import type { EngineProcess } from './engine-process.js'
import type { Entrant } from './entrants.js'
import type { Shape } from './shapes.js'
import { randomPrompts } from './workloads.js'

/** What Warpline computes with float32 weights for a few prompts, some of their tokens decoded one by one. */
export interface Truth {
  readonly prompts: readonly number[][]
  readonly forced: readonly number[][]
  /** Log-probabilities of the token that follows. */
  readonly next: readonly Float32Array[]
}

/** How far an entrant's log-probabilities are from the truth. */
export interface Agreement {
  /** Norm of the difference over the norm of the truth about its mean; the worst prompt's. */
  readonly error: number
  /** Prompts whose likeliest next token is the same, of how many. */
  readonly sameToken: number
  readonly prompts: number
  readonly tolerance: number
  readonly agrees: boolean
}

const SEQUENCES = 2
const PROMPT = 6
const DECODED = 2

export async function findTruth(shape: Shape, entrant: Entrant): Promise<Truth> {
  const prompts = randomPrompts(shape, { batch: SEQUENCES, tokens: PROMPT })
  const forced = randomPrompts(shape, { batch: SEQUENCES, tokens: DECODED })
  const engine = entrant.start()
  try {
    await engine.load(entrant.setup)
    return { prompts, forced, next: await engine.next(prompts, forced) }
  } finally {
    await engine.close()
  }
}

/** Whether an engine computes the model at all: with random weights, a wrong model is off by more than 1. */
export async function agreement(engine: EngineProcess, truth: Truth, tolerance: number): Promise<Agreement> {
  const next = await engine.next(truth.prompts, truth.forced)
  const error = Math.max(...truth.next.map((expected, i) => distance(next[i]!, expected)))
  const sameToken = truth.next.filter((expected, i) => likeliest(expected) === likeliest(next[i]!)).length
  return { error, sameToken, prompts: truth.prompts.length, tolerance, agrees: error <= tolerance }
}

function distance(found: Float32Array, expected: Float32Array): number {
  const mean = expected.reduce((sum, value) => sum + value, 0) / expected.length
  const difference = expected.reduce((sum, value, i) => sum + (found[i]! - value) ** 2, 0)
  const size = expected.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return found.length === expected.length ? Math.sqrt(difference / size) : Number.POSITIVE_INFINITY
}

function likeliest(logprobs: Float32Array): number {
  return logprobs.reduce((top, value, i) => (value > logprobs[top]! ? i : top), 0)
}

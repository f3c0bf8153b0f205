import type { EngineProcess } from './engine-process.js'
import type { Limits } from './limits.js'
import { headWeights, layerWeights, type Shape } from './shapes.js'
import type { Contest } from './targets.js'

/** What is timed: a prompt to its first token, or tokens after it. */
export interface Workload {
  readonly kind: 'prompt' | 'decode'
  readonly title: string
  /** Of each prompt. */
  readonly tokens: number
  readonly batch: number
  /** Tokens that each sequence decodes. */
  readonly steps: number
}

export interface Plan {
  readonly prompts: readonly number[]
  readonly batches: readonly number[]
  readonly steps: number
  readonly rounds: number
  readonly coldStarts: number
  readonly settleMs: number
}

export const FULL_PLAN: Plan = {
  prompts: [128, 512],
  batches: [1, 8],
  steps: 24,
  rounds: 7,
  coldStarts: 5,
  settleMs: 300,
}
export const QUICK_PLAN: Plan = { prompts: [16, 48], batches: [1, 8], steps: 4, rounds: 2, coldStarts: 1, settleMs: 20 }

/** Short, as the limit counts weights and no keys and values. */
const DECODE_PROMPT = 8

export function workloadsOf({ prompts, batches, steps }: Plan): Workload[] {
  return [
    ...prompts.map((tokens): Workload => ({ kind: 'prompt', title: `prompt ${tokens}`, tokens, batch: 1, steps: 0 })),
    ...batches.map(
      (batch): Workload => ({ kind: 'decode', title: `decode x${batch}`, tokens: DECODE_PROMPT, batch, steps }),
    ),
  ]
}

/** Most tokens of a sequence, and of a step of all sequences. */
export function largest(workloads: readonly Workload[]): { context: number; batch: number; sequences: number } {
  return {
    context: Math.max(...workloads.map(({ tokens, steps }) => tokens + steps + 1)),
    batch: Math.max(...workloads.map(({ tokens, batch }) => tokens * batch)),
    sequences: Math.max(...workloads.map(({ batch }) => batch)),
  }
}

/** Tokens a second of one run. */
export async function run(engine: EngineProcess, workload: Workload, prompts: readonly number[][]): Promise<number> {
  const { kind, tokens, batch, steps } = workload
  if (kind === 'prompt') return (tokens * 1000) / (await engine.prompt(prompts[0]!))
  return (batch * steps * 1000) / (await engine.decode(prompts, steps))
}

/**
 * Tokens a second that the machine allows: two operations a weight and token at the peak of the storage's instruction, and
 * every weight read once a step, whichever takes longer. Undefined where the machine's limits are unknown.
 */
export function limitOf(shape: Shape, { kind, tokens, batch }: Workload, contest: Contest, limits: Limits) {
  const { weightBytes, arithmetic } = contest
  if (!limits.read || !limits[arithmetic]) return undefined
  const layers = layerWeights(shape)
  const head = headWeights(shape)
  const rows = kind === 'prompt' ? tokens : batch
  const headRows = kind === 'prompt' ? 1 : batch
  const computing = (2 * (layers * rows + head * headRows)) / limits[arithmetic]
  const reading = ((layers + head) * weightBytes) / limits.read
  return rows / Math.max(computing, reading)
}

export function randomPrompts(
  { vocabulary }: Shape,
  { batch, tokens }: Pick<Workload, 'batch' | 'tokens'>,
): number[][] {
  const token = () => Math.floor(Math.random() * vocabulary)
  return Array.from({ length: batch }, () => Array.from({ length: tokens }, token))
}

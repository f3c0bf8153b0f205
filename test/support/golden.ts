import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Executor } from '../../src/backend/executor.js'
import { lower, REFERENCE_LOWERING } from '../../src/model/lower.js'
import { decoderSpec } from '../../src/model/registry.js'
import type { DecoderSpec } from '../../src/model/spec.js'
import { optimize } from '../../src/program/passes/optimize.js'
import type { Program } from '../../src/program/program.js'
import { openCheckpoint } from '../../src/weights/checkpoint.js'
import { type GenerationDefaults, readGenerationDefaults } from '../../src/weights/generation-config.js'
import { openSafetensors } from '../../src/weights/safetensors.js'
import { checkpointReader } from '../../src/weights/weight-reader.js'
import { startReference } from './run-reference.js'
import { stepInputs } from './steps.js'

/** A small model and what another implementation computed with it; see test/golden/README.md. */
export interface GoldenFolder {
  readonly name: string
  readonly directory: string
}

const ROOTS = ['../golden/models/', '../fixtures/models/'].map((path) => fileURLToPath(new URL(path, import.meta.url)))

export function goldenFolders(): GoldenFolder[] {
  return ROOTS.flatMap((root) =>
    readdirSync(root)
      .sort()
      .map((name) => ({ name, directory: join(root, name) }))
      .filter(({ directory }) => existsSync(join(directory, 'config.json'))),
  )
}

export function goldenFolder(name: string): GoldenFolder {
  const found = goldenFolders().find((folder) => folder.name === name)
  if (!found) throw new Error(`no golden folder is named ${name}`)
  return found
}

export interface GoldenBeam {
  /** Index into `prompts`. */
  readonly prompt: number
  readonly num_beams: number
  readonly num_return_sequences?: number
  readonly length_penalty: number
  readonly early_stopping: boolean | 'never'
  readonly max_new_tokens: number
  readonly eos_token_id: number
  readonly pad_token_id: number
  /** New tokens only, best first. */
  readonly sequences: readonly (readonly number[])[]
  /** Sums of log-probabilities / (new tokens with the end token) ** length_penalty. */
  readonly scores: readonly number[]
  readonly [other: string]: unknown
}

export interface GoldenProcessed {
  readonly prompt: number
  readonly temperature: number
  readonly top_k: number
  readonly top_p: number
  readonly repetition_penalty: number
  /** Name of the distribution in `tensors`. */
  readonly tensor: string
}

export interface Golden {
  readonly prompts: readonly (readonly number[])[]
  /** New tokens of each prompt, end tokens ignored. */
  readonly greedy: readonly (readonly number[])[]
  readonly beam: readonly GoldenBeam[]
  readonly processed: readonly GoldenProcessed[]
  /** Logits of each prompt, [positions, vocabulary]. */
  readonly logits: readonly Float32Array[]
  /** Every tensor of golden.safetensors. */
  readonly tensors: ReadonlyMap<string, Float32Array>
}

export async function readGolden({ directory }: GoldenFolder): Promise<Golden> {
  const record = JSON.parse(await readFile(join(directory, 'golden.json'), 'utf8'))
  const tensors = new Map<string, Float32Array>()
  const file = await openSafetensors(join(directory, 'golden.safetensors'))
  for (const name of file.tensors.keys()) tensors.set(name, await file.readFloat32(name))
  await file.close()
  const logits = record.prompts.map((_: unknown, i: number) => tensors.get(`logits_${i}`)!)
  return { beam: [], processed: [], ...record, logits, tensors }
}

export interface LoadedModel {
  readonly spec: DecoderSpec
  readonly program: Program
  readonly executor: Executor
  readonly generation: GenerationDefaults
  readonly blockSize: number
  readonly blocks: number
}

/** A model directory on the reference backend, by the path that users take. The caller closes the executor. */
export async function loadForTest(
  directory: string,
  room: { blocks?: number; maxTokens?: number } = {},
): Promise<LoadedModel> {
  const { blockSize } = REFERENCE_LOWERING
  const { blocks = 16, maxTokens = 128 } = room
  const checkpoint = await openCheckpoint(directory)
  try {
    const spec = decoderSpec(checkpoint.config, (name) => checkpoint.tensors.has(name))
    const program = optimize(lower(spec, REFERENCE_LOWERING))
    const reader = checkpointReader(checkpoint)
    const executor = await startReference(program, reader, { blocks, blockSize, maxTokens, maxRows: maxTokens })
    const generation = await readGenerationDefaults(directory, checkpoint.config)
    return { spec, program, executor, generation, blockSize, blocks }
  } finally {
    await checkpoint.close()
  }
}

/** Logits of every position of a prompt, computed in steps of at most `chunk` tokens. */
export async function promptLogits(
  model: LoadedModel,
  prompt: readonly number[],
  chunk = prompt.length,
): Promise<Float32Array> {
  const { vocabulary } = model.spec
  const logits = new Float32Array(prompt.length * vocabulary)
  for (let cached = 0; cached < prompt.length; cached += chunk) {
    const step = await run(model, prompt.slice(cached, cached + chunk), cached, prompt.length)
    logits.set(step, cached * vocabulary)
  }
  return logits
}

/** The likeliest token, `count` times, each on the cache of those before. */
export async function greedyTokens(model: LoadedModel, prompt: readonly number[], count: number): Promise<number[]> {
  const { vocabulary } = model.spec
  const tokens = [...prompt]
  let cached = 0
  while (tokens.length < prompt.length + count) {
    const logits = await run(model, tokens.slice(cached), cached, prompt.length)
    cached = tokens.length
    tokens.push(largest(logits.subarray(logits.length - vocabulary)))
  }
  return tokens.slice(prompt.length)
}

async function run(
  model: LoadedModel,
  ids: readonly number[],
  cached: number,
  promptLength: number,
): Promise<Float32Array> {
  const { executor, blockSize, blocks } = model
  // Backwards, so that a block's number never equals its place in the sequence.
  const table = Array.from({ length: Math.ceil((cached + ids.length) / blockSize) }, (_, i) => blocks - 1 - i)
  const inputs = stepInputs([{ ids, cached, blocks: table, promptLength }], { blockSize, rows: 'all' })
  return (await executor.step(inputs)).logits!
}

/** Index of the largest value; of equal ones the first. */
export function largest(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0)
}

/** |a - b| / |b|, Euclidean norms. */
export function relativeError(actual: Float32Array, expected: Float32Array): number {
  let difference = 0
  let size = 0
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2
    size += expected[i]! ** 2
  }
  return Math.sqrt(difference / size)
}

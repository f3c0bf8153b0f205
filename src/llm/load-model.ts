import type { Backend, MemoryUse } from '../backend/executor.js'
import { selectBackend } from '../backend/registry.js'
import { dynamicRotaryOf } from '../engine/dynamic-rotary.js'
import { Engine } from '../engine/engine.js'
import { isWarplineError, WarplineError } from '../errors.js'
import { resolveModel } from '../hub/index.js'
import { lower } from '../model/lower.js'
import { decoderSpec } from '../model/registry.js'
import type { DecoderSpec } from '../model/spec.js'
import type { DataType } from '../program/buffer.js'
import { cacheBytesPerToken, weightBytes } from '../program/cost.js'
import { optimize } from '../program/passes/optimize.js'
import type { Program } from '../program/program.js'
import { Tokenizer } from '../text/index.js'
import { type Checkpoint, openCheckpoint } from '../weights/checkpoint.js'
import { type GenerationDefaults, readGenerationDefaults } from '../weights/generation-config.js'
import { openWithoutWeights, randomReader } from '../weights/random-weights.js'
import { checkpointReader } from '../weights/weight-reader.js'
import type { RunningEngine } from './engine-client.js'
import { checkLoadOptions } from './option-schema.js'
import type { LoadOptions } from './options.js'
import { checkpointType, storageType } from './storage-type.js'
import { startWorkerEngine } from './worker-engine.js'

/** Logit rows of a step, beside those that choose: scored prompts go in pieces of this, since a row is as wide as the vocabulary. */
const SCORED_ROWS = 128

/** A checkpoint and the model that it describes. */
export interface OpenedWeights {
  readonly checkpoint: Checkpoint
  readonly spec: DecoderSpec
}

/** Everything that is known of a model before its weights are read. */
export interface OpenedModel extends OpenedWeights {
  readonly directory: string
  readonly tokenizer: Tokenizer | undefined
  readonly defaults: GenerationDefaults
}

/** What is known of an engine once it runs, as plain data. */
export interface RunningFacts {
  readonly device: string
  readonly dtype: DataType
  readonly memory: MemoryUse
  readonly contextLength: number
  readonly maxSequences: number
  /** Of the K/V cache. */
  readonly blocks: number
  readonly blockSize: number
}

/** A model ready to run. */
export interface LoadedModel extends OpenedModel, RunningFacts {
  readonly engine: RunningEngine
}

/** Reads a folder's configuration and weight headers. The caller closes `checkpoint`. */
export async function openWeights(directory: string, randomWeights = false): Promise<OpenedWeights> {
  const checkpoint = await (randomWeights ? openWithoutWeights(directory) : openCheckpoint(directory))
  try {
    // Made-up weights hold whatever tensor a model may have.
    const spec = decoderSpec(checkpoint.config, (name) => randomWeights || checkpoint.tensors.has(name))
    return { checkpoint, spec }
  } catch (error) {
    await checkpoint.close()
    throw error
  }
}

/** Reads configuration, tokenizer and weight headers, and checks that they fit together. The caller closes `checkpoint`. */
export async function openModel(nameOrPath: string, options: LoadOptions = {}): Promise<OpenedModel> {
  const { revision, offline, signal, onProgress, randomWeights } = options
  const directory = await resolveModel(nameOrPath, {
    revision,
    offline,
    signal,
    onProgress: onProgress && (({ done, total }) => onProgress({ stage: 'pull', done, total })),
  })
  const { checkpoint, spec } = await openWeights(directory, randomWeights)
  try {
    const [tokenizer, defaults] = await Promise.all([
      Tokenizer.load(directory),
      readGenerationDefaults(directory, checkpoint.config),
    ])
    if (tokenizer && tokenizer.vocabSize > spec.vocabulary) {
      throw new WarplineError(
        'vocabulary-mismatch',
        `the tokenizer has ${tokenizer.vocabSize} tokens and the model ${spec.vocabulary}; use the tokenizer that the model was trained with`,
      )
    }
    return { directory, checkpoint, spec, tokenizer, defaults }
  } catch (error) {
    await checkpoint.close()
    throw error
  }
}

/** From a name to a running engine, in this thread or (`worker`) in one of its own. */
export async function loadModel(nameOrPath: string, given: LoadOptions = {}): Promise<LoadedModel> {
  const options = checkLoadOptions(given)
  if (!options.worker) await selectBackend(options.device ?? 'auto')
  const opened = await openModel(nameOrPath, options)
  if (!options.worker) {
    const { facts, engine } = await startEngine(opened, options)
    return { ...opened, ...facts, engine }
  }
  await opened.checkpoint.close()
  const engine = await startWorkerEngine(opened.directory, options)
  return { ...opened, ...engine.facts, engine }
}

/** Reads the weights, closes the checkpoint, and has an engine ready. */
export async function startEngine(opened: OpenedWeights, options: LoadOptions) {
  const { checkpoint, spec } = opened
  try {
    const backend = await selectBackend(options.device ?? 'auto')
    const { dtype, program } = planProgram(opened, backend, options)
    const { blockSize } = backend
    const contextLength = chooseContextLength(spec, options.contextLength)
    const maxSequences = options.maxSequences ?? backend.batchSequences
    const maxTokens = Math.max(options.maxBatchTokens ?? backend.batchTokens, maxSequences)
    const maxRows = Math.max(maxSequences, Math.min(maxTokens, SCORED_ROWS))
    const workspace = backend.workspaceBytes?.(program, { maxTokens, maxRows }) ?? 0
    const budget = (await backend.memoryBudget(options.memoryFraction)) - weightBytes(program) - workspace
    const plan = { blockSize, contextLength, maxSequences, budget, share: backend.cacheShare }
    const blocks = chooseBlocks(program, { ...plan, asked: options.cacheBytes })
    const executor = await backend.createExecutor({
      program,
      weights: options.randomWeights ? randomReader() : checkpointReader(checkpoint),
      ...{ blocks, blockSize, maxTokens, maxRows, contextLength },
      ...{ threads: options.threads, deterministic: options.deterministic, signal: options.signal },
      onProgress: options.onProgress && ((done, total) => options.onProgress!({ stage: 'load', done, total })),
    })
    const engine = new Engine(executor, {
      ...{ blocks, blockSize, contextLength, maxTokens, maxSequences, maxRows },
      vocabulary: spec.vocabulary,
      embeddingWidth: spec.embedding.width,
      dynamicRotary: dynamicRotaryOf(program),
    })
    const { memory } = executor
    const facts: RunningFacts = {
      ...{ device: backend.name, dtype, memory, contextLength, maxSequences, blocks, blockSize },
    }
    return { facts, engine }
  } catch (error) {
    if (!options.signal?.aborted || isWarplineError(error)) throw error
    throw new WarplineError('cancelled', 'the signal ended the loading', { cause: error })
  } finally {
    await checkpoint.close()
  }
}

/** The program that a device runs for a model, and how it stores the weights. */
export function planProgram({ checkpoint, spec }: OpenedWeights, backend: Backend, options: LoadOptions) {
  const { name, storage, blockSize } = backend
  const kept = checkpointType(checkpoint.tensors, checkpoint.config)
  const dtype = storageType('dtype', options.dtype, storage.weights, name, kept)
  const beside = storage.beside(dtype)
  const cacheType = storageType('kvDtype', options.kvDtype, beside.cache, name)
  const types = { weightType: dtype, cacheType, activationType: beside.activation }
  return { dtype, program: optimize(lower(spec, { blockSize, ...types })) }
}

function chooseContextLength(spec: DecoderSpec, asked = spec.contextLength): number {
  if (asked > spec.contextLength) {
    throw new WarplineError(
      'context-too-long',
      `contextLength is ${asked} and the model was made for ${spec.contextLength}; ask for at most that`,
    )
  }
  return asked
}

interface CachePlan {
  readonly blockSize: number
  readonly contextLength: number
  readonly maxSequences: number
  /** Bytes free beside the weights. */
  readonly budget: number
  /** Of the budget, what the cache may take unasked. */
  readonly share: number
  /** Bytes the user gives to the cache. */
  readonly asked: number | undefined
}

/** As many blocks as all sequences at full length can use, within the backend's share of the free memory or what was asked for. */
function chooseBlocks(program: Program, plan: CachePlan): number {
  const blockBytes = cacheBytesPerToken(program) * plan.blockSize
  const useful = Math.ceil(plan.contextLength / plan.blockSize) * plan.maxSequences
  if (plan.asked !== undefined && plan.asked > plan.budget) {
    throw new WarplineError(
      'out-of-memory',
      `cacheBytes is ${plan.asked} and ${Math.max(0, plan.budget)} bytes are free beside the weights; ask for less`,
    )
  }
  const blocks =
    plan.asked === undefined
      ? Math.min(useful, Math.floor((plan.budget * plan.share) / blockBytes))
      : Math.floor(plan.asked / blockBytes)
  if (blocks < 1) {
    const has =
      plan.asked === undefined
        ? `${Math.max(0, plan.budget)} bytes are free beside the weights`
        : `cacheBytes is ${plan.asked}`
    throw new WarplineError(
      'cache-too-small',
      `the K/V cache needs at least ${blockBytes} bytes and ${has}; free some memory, or choose a smaller model, dtype or kvDtype`,
    )
  }
  return blocks
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Setup } from './contenders/protocol.js'
import { EngineProcess } from './engine-process.js'
import type { Rivals } from './install-rivals.js'
import type { GgufType } from './models/gguf-model.js'
import { type ModelFormat, modelFile } from './models/model-files.js'
import type { OnnxType } from './models/onnx-products.js'
import { ROOT } from './paths.js'
import { headDim, type Shape } from './shapes.js'
import type { RivalName, Storage } from './targets.js'

export const WARPLINE = 'warpline'
export type EntrantName = RivalName | typeof WARPLINE

/** Someone who takes part with one model: how to start it, and what it is then told to load. */
export interface Entrant {
  readonly name: EntrantName
  readonly setup: Setup
  start(): EngineProcess
}

/** What all entrants of a contest have in common. */
export interface Field {
  readonly shape: Shape
  readonly device: string
  readonly threads: number
  readonly context: number
  readonly batch: number
  readonly sequences: number
  readonly rivals: Rivals
  /** Folder of the compiled contenders. */
  readonly contenders: string
  readonly say: (line: string) => void
}

export async function warpline(field: Field, dtype: Storage, device = field.device): Promise<Entrant> {
  const library = pathToFileURL(join(ROOT, 'dist', 'index.js')).href
  const setup = { ...(await common(field, { kind: 'hugging-face' })), library, device, dtype }
  return entrant(field, WARPLINE, 'warpline', setup)
}

/** The program that reads a rival's model, and the model. Makes the model unless it exists. */
export async function rival(field: Field, name: RivalName): Promise<Entrant> {
  const [engine, type] = name.split(' ') as ['llama.cpp', GgufType] | ['onnxruntime', OnnxType]
  if (engine === 'onnxruntime') {
    const library = field.rivals.library('onnxruntime-node')
    const setup = { ...(await common(field, { kind: 'onnx', type })), library }
    return entrant(field, name, 'onnxruntime', setup)
  }
  const library = field.rivals.library('node-llama-cpp')
  const setup = { ...(await common(field, { kind: 'gguf', type })), library }
  // With more than one thread in libuv's pool, each of them gathers an OpenMP team of its own.
  return entrant(field, name, 'llama-cpp', setup, { UV_THREADPOOL_SIZE: '1' })
}

function entrant(
  { contenders }: Field,
  name: EntrantName,
  module: string,
  setup: Setup,
  environment: NodeJS.ProcessEnv = {},
): Entrant {
  const file = join(contenders, `${module}.js`)
  if (!existsSync(file)) throw new Error(`${file} is missing`)
  return { name, setup, start: () => new EngineProcess(file, environment) }
}

async function common({ shape, threads, context, batch, sequences, say }: Field, format: ModelFormat) {
  const { layers, kvHeads, vocabulary, family } = shape
  return {
    model: await modelFile(shape, format, say),
    ...{ threads, context, batch, sequences, layers, kvHeads, vocabulary },
    ...{ headDim: headDim(shape), learnedPositions: family === 'gpt2' },
  }
}

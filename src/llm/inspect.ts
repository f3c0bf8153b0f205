import { selectBackend } from '../backend/registry.js'
import { lower } from '../model/lower.js'
import type { DecoderSpec } from '../model/spec.js'
import type { DataType } from '../program/buffer.js'
import { cacheBytesPerToken, decodeShape, promptShape, totalCost, weightBytes } from '../program/cost.js'
import { optimize } from '../program/passes/optimize.js'
import { formatQuantity, printProgram } from '../program/print.js'
import type { Program } from '../program/program.js'
import { openModel, storageType } from './load-model.js'
import { checkLoadOptions } from './option-schema.js'
import type { LoadOptions } from './options.js'

/** The steps whose cost is asked for. */
export interface InspectedShape {
  /** Prompt length; 128 unless given. */
  tokens?: number
  /** Sequences of a decode step; 1 unless given. */
  batch?: number
  /** Their context length; the prompt's unless given. */
  context?: number
}

export interface ModelReport {
  readonly name: string
  readonly directory: string
  readonly family: string
  readonly layers: number
  readonly hidden: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocabulary: number
  readonly contextLength: number
  readonly parameters: number
  readonly device: string
  readonly dtype: DataType
  readonly weightBytes: number
  readonly cacheBytesPerToken: number
  readonly activationBytesPerToken: number
  readonly tokenizer: boolean
  readonly chatTemplate: boolean
  /** What requests inherit from generation_config.json. */
  readonly generation: object
  readonly ignoredGenerationFields: readonly string[]
  readonly shape: Required<InspectedShape>
  /** One line each: bytes and FLOPs. */
  readonly cost: { readonly prompt: string; readonly decode: string }
  /** The program printed for each of the two steps. */
  readonly program: { readonly prompt: string; readonly decode: string }
}

/** Describes a model from its configuration and weight headers; its weights are not read. */
export async function inspectModel(
  nameOrPath: string,
  options: LoadOptions = {},
  shape: InspectedShape = {},
): Promise<ModelReport> {
  checkLoadOptions(options)
  const backend = await selectBackend(options.device ?? 'auto')
  const { directory, spec, tokenizer, defaults, checkpoint } = await openModel(nameOrPath, options)
  await checkpoint.close()
  const dtype = storageType('dtype', options.dtype, backend.storage.weights, backend.name)
  const cacheType = storageType('kvDtype', options.kvDtype, backend.storage.cache, backend.name)
  const types = { weightType: dtype, cacheType, activationType: backend.storage.activation }
  const program = optimize(lower(spec, { blockSize: backend.blockSize, ...types }))
  const { tokens = 128, batch = 1 } = shape
  const { context = tokens } = shape
  const steps = { prompt: promptShape(tokens), decode: decodeShape(batch, context) }
  const { ignored, ...generation } = defaults
  return {
    name: nameOrPath,
    directory,
    ...dimensions(spec),
    parameters: parameterCount(program),
    device: backend.name,
    dtype,
    weightBytes: weightBytes(program),
    cacheBytesPerToken: cacheBytesPerToken(program),
    activationBytesPerToken: program.memory!.bytesPerToken,
    tokenizer: tokenizer !== undefined,
    chatTemplate: tokenizer?.chatTemplate !== undefined,
    generation,
    ignoredGenerationFields: ignored,
    shape: { tokens, batch, context },
    cost: { prompt: costLine(program, steps.prompt), decode: costLine(program, steps.decode) },
    program: { prompt: printProgram(program, steps.prompt), decode: printProgram(program, steps.decode) },
  }
}

function dimensions(spec: DecoderSpec) {
  const { family, hidden, vocabulary, contextLength, layers } = spec
  const { heads, kvHeads, headDim } = layers[0]!.attention
  return { family, layers: layers.length, hidden, heads, kvHeads, headDim, vocabulary, contextLength }
}

/** Elements read from the checkpoint; what is computed from the configuration is not a parameter. */
function parameterCount(program: Program): number {
  const parts = [...program.buffers.values()].flatMap((buffer) => buffer.source?.parts ?? [])
  const stored = parts.filter((part) => part.kind === 'tensor')
  return stored.reduce((sum, part) => sum + part.shape.reduce((product, size) => product * size, 1), 0)
}

function costLine(program: Program, step: ReturnType<typeof promptShape>): string {
  const { bytesRead, bytesWritten, flops } = totalCost(program, step)
  return `${formatQuantity(bytesRead + bytesWritten, 'B')}, ${formatQuantity(flops, 'FLOP')}`
}

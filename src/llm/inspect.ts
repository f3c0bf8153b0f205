import { selectBackend } from '../backend/registry.js'
import type { DecoderSpec } from '../model/spec.js'
import type { DataType } from '../program/buffer.js'
import { type Cost, cacheBytesPerToken, decodeShape, promptShape, totalCost, weightBytes } from '../program/cost.js'
import { describeProgram, type OperationReport } from '../program/describe.js'
import type { Program } from '../program/program.js'
import { openModel, planProgram } from './load-model.js'
import { checkLoadOptions } from './option-schema.js'
import type { LoadOptions } from './options.js'
import { type InspectedShape, inspectedShape } from './shape.js'

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
  /** Tensors of the checkpoint that the model does not read: buffers of other programs, or layers that its configuration lacks. */
  readonly unusedTensors: readonly string[]
  readonly shape: Required<InspectedShape>
  /** Of each of the two steps. */
  readonly cost: { readonly prompt: Cost; readonly decode: Cost }
  /** The operations of the program, with their costs in each of the two steps. */
  readonly program: { readonly prompt: readonly OperationReport[]; readonly decode: readonly OperationReport[] }
}

/**
 * Describes a model from its configuration and weight headers; its weights are not read. Throws what loading it throws,
 * and `parameter-invalid` for a shape that it cannot run.
 */
export async function inspectModel(
  nameOrPath: string,
  given: LoadOptions = {},
  shape: InspectedShape = {},
): Promise<ModelReport> {
  const options = checkLoadOptions(given)
  const backend = await selectBackend(options.device ?? 'auto')
  const opened = await openModel(nameOrPath, options)
  const { directory, spec, tokenizer, defaults, checkpoint } = opened
  await checkpoint.close()
  const { dtype, program } = planProgram(opened, backend, options)
  const { tokens, batch, context } = inspectedShape(shape, spec.contextLength)
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
    unusedTensors: unusedTensors(program, checkpoint.tensors.keys()),
    shape: { tokens, batch, context },
    cost: { prompt: totalCost(program, steps.prompt), decode: totalCost(program, steps.decode) },
    program: { prompt: describeProgram(program, steps.prompt), decode: describeProgram(program, steps.decode) },
  }
}

function dimensions(spec: DecoderSpec) {
  const { family, hidden, vocabulary, contextLength, layers } = spec
  const { heads, kvHeads, headDim } = layers[0]!.attention
  return { family, layers: layers.length, hidden, heads, kvHeads, headDim, vocabulary, contextLength }
}

function unusedTensors(program: Program, stored: Iterable<string>): string[] {
  const used = new Set(storedParts(program).map((part) => part.tensor))
  return [...stored].filter((name) => !used.has(name))
}

function storedParts(program: Program) {
  const parts = [...program.buffers.values()].flatMap((buffer) => buffer.source?.parts ?? [])
  return parts.filter((part) => part.kind === 'tensor')
}

/** Elements read from the checkpoint; what is computed from the configuration is not a parameter. */
function parameterCount(program: Program): number {
  return storedParts(program).reduce((sum, part) => sum + part.shape.reduce((product, size) => product * size, 1), 0)
}

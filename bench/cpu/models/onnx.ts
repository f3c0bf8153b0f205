import { type FileHandle, open, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { bytes, concat, type Field, float, integer, message, text } from './protobuf.js'

/** Element types by ONNX's numbers. */
const TYPES = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const
export type OnnxType = keyof typeof TYPES

/** Domain of onnxruntime's own operators. */
export const MICROSOFT = 'com.microsoft'

export interface Node {
  readonly op: string
  /** '' for the standard ones. */
  readonly domain?: string
  /** '' where an optional one is absent. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Whole numbers become ints unless named in `floats`. */
  readonly ints?: Readonly<Record<string, number>>
  readonly floats?: Readonly<Record<string, number>>
}

const IR_VERSION = 9
const OPSET = 17
const ALIGNMENT = 4096
const INT_ATTRIBUTE = 2
const FLOAT_ATTRIBUTE = 1
const EXTERNAL = 1

/**
 * An ONNX model under construction (the format: onnx.proto of onnx 1.16). Weights go to a file beside the model as they are
 * added, for a message may not exceed 2 GB.
 */
export class OnnxGraph {
  private readonly nodes: Field[] = []
  private readonly initializers: Field[] = []
  private readonly inputs: Field[] = []
  private readonly outputs: Field[] = []
  private end = 0

  private constructor(
    private readonly path: string,
    private readonly data: FileHandle,
  ) {}

  static async create(path: string): Promise<OnnxGraph> {
    return new OnnxGraph(path, await open(`${path}.data`, 'w'))
  }

  input(name: string, type: OnnxType, dims: readonly (number | string)[]): string {
    this.inputs.push(message(11, valueInfo(name, type, dims)))
    return name
  }

  output(name: string, type: OnnxType, dims: readonly (number | string)[]): void {
    this.outputs.push(message(12, valueInfo(name, type, dims)))
  }

  /** Returns the first output's name. */
  node({ op, domain = '', inputs, outputs, ints = {}, floats = {} }: Node): string {
    const fields = [
      ...inputs.map((name) => text(1, name)),
      ...outputs.map((name) => text(2, name)),
      text(3, outputs[0]!),
      text(4, op),
      ...Object.entries(ints).map(([name, value]) =>
        message(5, [text(1, name), integer(3, value), integer(20, INT_ATTRIBUTE)]),
      ),
      ...Object.entries(floats).map(([name, value]) =>
        message(5, [text(1, name), float(2, value), integer(20, FLOAT_ATTRIBUTE)]),
      ),
      text(7, domain),
    ]
    this.nodes.push(message(1, fields))
    return outputs[0]!
  }

  async weight(
    name: string,
    type: OnnxType,
    dims: readonly number[],
    data: Float32Array | Int8Array | Uint8Array,
  ): Promise<string> {
    const offset = Math.ceil(this.end / ALIGNMENT) * ALIGNMENT
    const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    await this.data.writeFile(Buffer.alloc(offset - this.end))
    await this.data.writeFile(view)
    this.end = offset + view.byteLength
    const entry = (key: string, value: string) => message(13, [text(1, key), text(2, value)])
    const fields = [
      ...tensorHead(name, type, dims),
      entry('location', `${basename(this.path)}.data`),
      entry('offset', `${offset}`),
      entry('length', `${view.byteLength}`),
      integer(14, EXTERNAL),
    ]
    this.initializers.push(message(5, fields))
    return name
  }

  /** A whole number that the graph knows before it runs. */
  scalar(name: string, value: number): string {
    const data = new Uint8Array(BigInt64Array.of(BigInt(value)).buffer)
    this.initializers.push(message(5, [...tensorHead(name, 'int64', []), bytes(9, data)]))
    return name
  }

  async finish(): Promise<void> {
    await this.data.close()
    const graph = [...this.nodes, text(2, 'benchmark'), ...this.initializers, ...this.inputs, ...this.outputs]
    const opset = (domain: string, version: number) => message(8, [text(1, domain), integer(2, version)])
    const model = [
      integer(1, IR_VERSION),
      text(2, 'warpline'),
      message(7, graph),
      opset('', OPSET),
      opset(MICROSOFT, 1),
    ]
    await writeFile(this.path, concat(model))
  }
}

function tensorHead(name: string, type: OnnxType, dims: readonly number[]): Field[] {
  return [...dims.map((size) => integer(1, size)), integer(2, TYPES[type]), text(8, name)]
}

function valueInfo(name: string, type: OnnxType, dims: readonly (number | string)[]): Field[] {
  const shape = dims.map((size) => message(1, [typeof size === 'number' ? integer(1, size) : text(2, size)]))
  return [text(1, name), message(2, [message(1, [integer(1, TYPES[type]), message(2, shape)])])]
}

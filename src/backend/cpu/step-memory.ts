import type { Ref } from '../../program/buffer.js'
import type { Program } from '../../program/program.js'
import type { StepInputs } from '../../program/step.js'
import { integersOf } from '../reference/step-inputs.js'
import { SIZE, SIZES } from './abi.js'
import type { Address } from './library.js'
import type { NativeMemory, Region } from './native-memory.js'

export interface StepRoom {
  readonly maxTokens: number
  readonly maxRows: number
  readonly blocks: number
  readonly blockSize: number
}

/** The native side of a step's inputs: arrays at fixed addresses, and the header that says how much of each is filled. */
export class StepMemory {
  readonly header: Address
  /** Where wl_run leaves the index of a command that failed. */
  readonly failed: Address
  private readonly headerValues: Int32Array
  private readonly arrays = new Map<Ref, { readonly region: Region; readonly values: Int32Array }>()
  private readonly soft: Region | undefined

  constructor(
    memory: NativeMemory,
    program: Program,
    private readonly room: StepRoom,
  ) {
    const header = memory.allocate((SIZES + 1) * 4)
    this.header = header.address
    this.failed = header.address + BigInt(SIZES * 4)
    this.headerValues = new Int32Array(header.buffer())
    for (const { name, kind, dtype, shape } of program.buffers.values()) {
      if (kind !== 'input') continue
      if (name === 'soft-rows') this.soft = memory.allocate(room.maxTokens * (shape[1] as number) * 4)
      if (name === 'soft-rows' || dtype !== 'i32') continue
      const region = memory.allocate(this.elements(name) * 4)
      this.arrays.set(name, { region, values: new Int32Array(region.buffer()) })
    }
  }

  get bytes(): number {
    const regions = [...this.arrays.values()].map(({ region }) => region)
    return [...regions, ...(this.soft ? [this.soft] : [])].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  addressOf(ref: Ref): Address {
    return ref === 'soft-rows' ? this.soft!.address : this.arrays.get(ref)!.region.address
  }

  /** The command at fault, after a run that failed. */
  failedCommand(): number {
    return this.headerValues[SIZES]!
  }

  write(inputs: StepInputs): void {
    const { contextLengths, blockTables } = inputs
    const width = this.tableWidth(contextLengths)
    for (const [ref, { values }] of this.arrays) {
      if (ref === 'block-tables') copyColumns(blockTables, contextLengths.length, width, values)
      else values.set(integersOf(inputs, ref))
    }
    if (inputs.softRows && this.soft) new Float32Array(this.soft.buffer()).set(inputs.softRows)
    const sizes = this.headerValues
    sizes[SIZE.tokens] = inputs.ids.length
    sizes[SIZE.rows] = inputs.rows.length
    sizes[SIZE.sequences] = contextLengths.length
    sizes[SIZE.copies] = inputs.copies.length / 2
    sizes[SIZE.blocks] = this.room.blocks
    sizes[SIZE.width] = width
  }

  /** Blocks of the longest context: no more of a table is looked at. */
  private tableWidth(contextLengths: Int32Array): number {
    let longest = 0
    for (const length of contextLengths) longest = Math.max(longest, length)
    return Math.ceil(longest / this.room.blockSize)
  }

  /** Most that a step may bring. A step has at most as many sequences as tokens, a context at most all blocks. */
  private elements(ref: Ref): number {
    const { maxTokens, maxRows, blocks } = this.room
    if (ref === 'block-tables') return maxTokens * blocks
    if (ref === 'copies') return 2 * blocks
    if (ref === 'query-starts') return maxTokens + 1
    return ref === 'rows' ? maxRows : maxTokens
  }
}

/** The first `width` columns of each row. */
function copyColumns(table: Int32Array, rows: number, width: number, out: Int32Array): void {
  const stride = rows > 0 ? table.length / rows : 0
  for (let row = 0; row < rows; row++) out.set(table.subarray(row * stride, row * stride + width), row * width)
}

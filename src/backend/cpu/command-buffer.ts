import type { Ref } from '../../program/buffer.js'
import type { Operation, Rotary } from '../../program/operation.js'
import type { Program } from '../../program/program.js'
import type { Fields, Struct, Values } from '../structs.js'
import { CACHE_ENTRY, COMMAND_BYTES, OPCODES } from './abi.js'
import type { Activations } from './activations.js'
import type { Caches } from './caches.js'
import { type Addresses, type Collective, type Command, commandsOf } from './commands.js'
import type { Address } from './library.js'
import type { NativeMemory } from './native-memory.js'
import type { Sampling } from './sampling.js'
import type { StepMemory } from './step-memory.js'
import type { Weights } from './weights.js'

/** A run of commands, or an operation for which the host meets other ranks. */
export type Segment =
  | { readonly kind: 'native'; readonly first: number; readonly count: number }
  | { readonly kind: 'collective'; readonly operation: Collective; readonly index: number }

/** A program as the commands that wl_run reads, written once. */
export interface CommandBuffer {
  readonly address: Address
  readonly segments: readonly Segment[]
  /** The program's operation that each command is part of. */
  readonly operationOf: readonly number[]
  /** The `sample` command, if the program has one: it may be run again by itself. */
  readonly sample: number
  /** What rotary tables take. */
  readonly bytes: number
}

export interface CommandSources {
  readonly program: Program
  readonly blockSize: number
  readonly maxTokens: number
  readonly weights: Weights
  readonly caches: Caches
  readonly activations: Activations
  readonly step: StepMemory
  readonly sampling: Sampling
}

export function writeCommands(memory: NativeMemory, sources: CommandSources): CommandBuffer {
  const addresses = new ProgramAddresses(memory, sources)
  const commands: Command[] = []
  const operationOf: number[] = []
  const segments: Segment[] = []
  let first = 0
  const endSegment = () => {
    if (commands.length > first) segments.push({ kind: 'native', first, count: commands.length - first })
    first = commands.length
  }
  sources.program.operations.forEach((operation, index) => {
    if (isCollective(operation)) {
      endSegment()
      segments.push({ kind: 'collective', operation, index })
      return
    }
    for (const command of commandsOf(operation, addresses)) {
      commands.push(command)
      operationOf.push(index)
    }
  })
  endSegment()
  const region = memory.allocate(commands.length * COMMAND_BYTES)
  const view = new DataView(region.buffer())
  commands.forEach((command, i) => {
    write(view, i * COMMAND_BYTES, command)
  })
  const sample = commands.findIndex(({ kind }) => kind === 'sample')
  return { address: region.address, segments, operationOf, sample, bytes: addresses.bytes }
}

function write(view: DataView, at: number, { kind, rows, parameters }: Command): void {
  const { opcode } = OPCODES[kind]
  const layout: Struct<Fields> = OPCODES[kind].parameters
  view.setInt32(at, opcode, true)
  view.setInt32(at + 4, rows, true)
  layout.write(view, at + 8, parameters as Values<Fields>)
}

function isCollective(operation: Operation): operation is Collective {
  return ['all-reduce', 'all-gather', 'send', 'receive'].includes(operation.kind)
}

class ProgramAddresses implements Addresses {
  readonly program: Program
  readonly blockSize: number
  readonly sampling: Addresses['sampling']
  bytes = 0
  private readonly tables = new Map<string, Address>()

  constructor(
    private readonly memory: NativeMemory,
    private readonly sources: CommandSources,
  ) {
    this.program = sources.program
    this.blockSize = sources.blockSize
    this.sampling = { rows: sources.sampling.rows, results: sources.sampling.results }
  }

  of(ref: Ref): Address {
    const { activations, step, weights, program } = this.sources
    const kind = program.buffers.get(ref)!.kind
    if (kind === 'activation') return activations.addressOf(ref)
    return kind === 'input' ? step.addressOf(ref) : weights.vector(ref)
  }

  matrix(ref: Ref) {
    return this.sources.weights.matrix(ref)
  }

  cache(ref: Ref) {
    return this.sources.caches.get(ref)
  }

  turns({ dim, scale, frequencies, dynamic }: Rotary) {
    const key = JSON.stringify([dim, scale, frequencies, dynamic])
    const known = this.tables.get(key)
    if (known !== undefined) return { address: known, isNew: false }
    const { address, bytes } = this.memory.allocate(this.sources.maxTokens * dim * 4)
    this.bytes += bytes
    this.tables.set(key, address)
    return { address, isNew: true }
  }

  cacheTable(refs: readonly Ref[]): Address {
    const region = this.memory.allocate(refs.length * CACHE_ENTRY.bytes)
    const view = new DataView(region.buffer())
    refs.forEach((ref, i) => {
      const { address, blockBytes } = this.cache(ref)
      CACHE_ENTRY.write(view, i * CACHE_ENTRY.bytes, { data: address, block_bytes: blockBytes })
    })
    return region.address
  }
}

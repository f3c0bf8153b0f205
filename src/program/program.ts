import { type Buffer, type Dimension, elementCount, type Ref } from './buffer.js'
import { checkOperation, fail } from './check.js'
import { type Operation, reads, writes } from './operation.js'
import { sourceShape } from './weight-source.js'

/** Where an activation lives: `offset` bytes into the arena of its symbolic size, for each token (or row). */
export interface Placement {
  readonly per: 'tokens' | 'rows'
  readonly offset: number
}

/** What the memory planner decided; see passes/plan-memory.ts. */
export interface MemoryPlan {
  readonly placements: ReadonlyMap<Ref, Placement>
  readonly bytesPerToken: number
  readonly bytesPerRow: number
}

/** A step of a model: a flat list of operations over named buffers. Plain data: it can be printed, hashed and sent. */
export interface Program {
  readonly name: string
  readonly buffers: ReadonlyMap<Ref, Buffer>
  readonly operations: readonly Operation[]
  /** Final hidden states [tokens, H], for requests that ask for them. */
  readonly hidden: Ref
  /** What `sample` reads: f32 [rows, V]. */
  readonly logits: Ref
  readonly memory?: MemoryPlan
}

/** Builds a program; every buffer and operation is checked as it is added, so that a finished program is a valid one. */
export class ProgramBuilder {
  readonly buffers = new Map<Ref, Buffer>()
  readonly operations: Operation[] = []
  private readonly written = new Set<Ref>()

  constructor(readonly name: string) {}

  buffer(buffer: Buffer): Ref {
    if (this.buffers.has(buffer.name)) fail(`buffer ${buffer.name}`, 'the name is taken')
    for (const size of buffer.shape) checkDimension(buffer, size)
    if ((buffer.kind === 'weight') !== (buffer.source !== undefined)) {
      fail(`buffer ${buffer.name}`, 'weights, and only weights, have a source')
    }
    if (buffer.source) checkSource(buffer)
    this.buffers.set(buffer.name, buffer)
    return buffer.name
  }

  add(operation: Operation): void {
    checkOperation(operation, this.buffers, this.written)
    this.operations.push(operation)
  }

  finish(ends: { hidden: Ref; logits: Ref }): Program {
    for (const ref of [ends.hidden, ends.logits]) {
      if (!this.written.has(ref)) fail(`program ${this.name}`, `nothing writes ${ref}`)
    }
    return { name: this.name, buffers: this.buffers, operations: this.operations, ...ends }
  }
}

/** A program of other operations, or other buffers, checked anew: how passes return what they made. */
export function rebuild(
  program: Program,
  operations: readonly Operation[],
  extraBuffers: Iterable<Buffer> = [],
): Program {
  const builder = new ProgramBuilder(program.name)
  const used = new Set<Ref>([program.hidden, program.logits])
  const all = new Map(program.buffers)
  for (const buffer of extraBuffers) {
    if (all.has(buffer.name)) fail(`buffer ${buffer.name}`, 'the name is taken')
    all.set(buffer.name, buffer)
  }
  for (const operation of operations) for (const ref of operationRefs(operation)) used.add(ref)
  for (const buffer of all.values()) if (used.has(buffer.name)) builder.buffer(buffer)
  for (const operation of operations) builder.add(operation)
  return builder.finish({ hidden: program.hidden, logits: program.logits })
}

export function getBuffer(program: Pick<Program, 'buffers'>, ref: Ref): Buffer {
  const buffer = program.buffers.get(ref)
  if (!buffer) fail(`buffer ${ref}`, 'no such buffer')
  return buffer
}

function operationRefs(operation: Operation): Ref[] {
  return [...reads(operation), ...writes(operation)]
}

function checkDimension(buffer: Buffer, size: Dimension): void {
  if (typeof size === 'number' && !(Number.isSafeInteger(size) && size > 0)) {
    fail(`buffer ${buffer.name}`, `a dimension is ${size}; sizes are positive integers`)
  }
}

function checkSource(buffer: Buffer): void {
  const shape = sourceShape(buffer.source!)
  for (const part of buffer.source!.parts) {
    if (part.shape.slice(1).join() !== shape.slice(1).join())
      fail(`buffer ${buffer.name}`, 'its parts differ in columns')
  }
  // A stack of matrices ([experts, rows, columns]) is read as one tall matrix.
  const elements = shape.reduce((product, size) => product * size, 1)
  const columnsAgree = shape.length === 1 || shape.at(-1) === buffer.shape.at(-1)
  if (elements !== elementCount(buffer.shape, {}) || !columnsAgree) {
    fail(`buffer ${buffer.name}`, `its source has shape [${shape}], the buffer [${buffer.shape}]`)
  }
}

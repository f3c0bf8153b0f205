import assert from 'node:assert/strict'
import type { Executor } from '../../../src/backend/executor.js'
import { sample } from '../../../src/backend/reference/sample.js'
import type { StepInputs, StepOutputs } from '../../../src/program/step.js'

export interface FakeOptions {
  readonly blocks: number
  readonly blockSize: number
  readonly maxTokens: number
  readonly maxRows: number
  readonly vocabulary: number
  readonly embeddingWidth: number
  readonly dynamicRotary?: number
}

const HIDDEN = 2

/**
 * A deterministic language model whose logits are a hash of every token it reads from the paged cache through the block
 * tables, with its position and rotary length: a wrong slot, table, copy or length changes its answers. The cache holds
 * rubbish at first. It also insists on everything that a step promises.
 */
export class FakeExecutor implements Executor {
  readonly memory = { weights: 0, cache: 0, activations: 0 }
  readonly steps: StepInputs[] = []
  /** Called before each step; may throw, or wait. */
  beforeStep: (inputs: StepInputs) => void | Promise<void> = () => {}
  closed = false
  private readonly cache: Int32Array

  constructor(private readonly options: FakeOptions) {
    this.cache = Int32Array.from({ length: options.blocks * options.blockSize }, (_, slot) => mix(slot, 0xdead))
  }

  async step(inputs: StepInputs): Promise<StepOutputs> {
    this.steps.push(structuredClone(inputs))
    await this.beforeStep(inputs)
    this.check(inputs)
    this.copy(inputs.copies)
    for (let token = 0; token < inputs.ids.length; token++)
      this.cache[inputs.slots[token]!] = this.valueOf(inputs, token)
    const { vocabulary } = this.options
    const logits = new Float32Array(inputs.rows.length * vocabulary)
    inputs.rows.forEach((token, row) => {
      const context = this.contextHash(inputs, token)
      for (let id = 0; id < vocabulary; id++) logits[row * vocabulary + id] = mix(context, id) / 2 ** 29
    })
    const { hiddenOf } = inputs
    const hidden =
      hiddenOf &&
      Float32Array.from({ length: hiddenOf.length * HIDDEN }, (_, i) =>
        mix(this.contextHash(inputs, hiddenOf[Math.floor(i / HIDDEN)]!), i % HIDDEN),
      )
    return { sampled: sample(logits, vocabulary, inputs.sampling), hidden }
  }

  async close(): Promise<void> {
    assert(!this.closed)
    this.closed = true
  }

  private valueOf(inputs: StepInputs, token: number): number {
    const id = inputs.ids[token]!
    const { embeddingWidth, dynamicRotary } = this.options
    assert.equal(inputs.rotaryLengths?.length, dynamicRotary === undefined ? undefined : inputs.ids.length)
    const length = inputs.rotaryLengths?.[token] ?? 0
    let value = mix(mix(id, inputs.positions[token]!), length > (dynamicRotary ?? 0) ? length : 0)
    if (id >= 0) return value
    for (let i = 0; i < embeddingWidth; i++) value = mix(value, inputs.softRows![token * embeddingWidth + i]! * 1000)
    return value
  }

  /** Of everything that a token attends to, itself included. */
  private contextHash({ queryStarts, blockTables, contextLengths, positions }: StepInputs, token: number): number {
    const { blockSize } = this.options
    const sequence = queryStarts.findIndex((start, s) => start <= token && token < queryStarts[s + 1]!)
    const width = blockTables.length / contextLengths.length
    let hash = 17
    for (let position = 0; position <= positions[token]!; position++) {
      const block = blockTables[sequence * width + Math.floor(position / blockSize)]!
      hash = mix(hash, this.cache[block * blockSize + (position % blockSize)]!)
    }
    return hash
  }

  private copy(copies: Int32Array): void {
    const { blockSize } = this.options
    for (let i = 0; i < copies.length; i += 2) {
      this.cache.copyWithin(copies[i + 1]! * blockSize, copies[i]! * blockSize, (copies[i]! + 1) * blockSize)
    }
  }

  private check(inputs: StepInputs): void {
    const { blocks, blockSize, maxTokens, maxRows } = this.options
    const { ids, positions, slots, queryStarts, contextLengths, blockTables, rows, copies, sampling } = inputs
    assert.equal(inputs.idsFrom, undefined, 'this executor does not run ahead')
    const sequences = contextLengths.length
    const width = blockTables.length / sequences
    assert(ids.length > 0 && ids.length <= maxTokens, `${ids.length} tokens`)
    assert(rows.length <= maxRows, `${rows.length} rows`)
    assert.equal(rows.length, sampling.length)
    assert.deepEqual(
      [...rows],
      [...rows].sort((a, b) => a - b),
    )
    assert.deepEqual([positions.length, slots.length, queryStarts.length], [ids.length, ids.length, sequences + 1])
    assert.deepEqual([queryStarts[0], queryStarts[sequences]], [0, ids.length])
    for (let s = 0; s < sequences; s++) {
      const table = blockTables.subarray(s * width, (s + 1) * width)
      const count = queryStarts[s + 1]! - queryStarts[s]!
      assert(count > 0)
      for (let i = 0; i < count; i++) {
        const position = contextLengths[s]! - count + i
        const token = queryStarts[s]! + i
        assert.equal(positions[token], position)
        const block = table[Math.floor(position / blockSize)]!
        assert(block >= 0 && block < blocks)
        assert.equal(slots[token], block * blockSize + (position % blockSize))
      }
    }
    assert.equal(new Set(slots).size, slots.length, 'no two tokens are written to one slot')
    this.checkSharing(inputs, width)
    const targets = copies.filter((_, i) => i % 2 === 1)
    const sources = new Set(copies.filter((_, i) => i % 2 === 0))
    assert.equal(new Set(targets).size, targets.length, 'a block is copied to once')
    assert(
      targets.every((block) => !sources.has(block)),
      'copies may run in any order',
    )
  }

  /** What one sequence writes no other reads. */
  private checkSharing({ queryStarts, contextLengths, blockTables, slots }: StepInputs, width: number): void {
    const { blockSize } = this.options
    const writer = new Map<number, number>()
    contextLengths.forEach((_, s) => {
      for (let t = queryStarts[s]!; t < queryStarts[s + 1]!; t++) writer.set(Math.floor(slots[t]! / blockSize), s)
    })
    contextLengths.forEach((length, s) => {
      for (let i = 0; i < Math.ceil(length / blockSize); i++) {
        const block = blockTables[s * width + i]!
        assert((writer.get(block) ?? s) === s, `sequence ${s} reads block ${block}, which another writes`)
      }
    })
  }
}

/** Two numbers to one of 32 bits, signed. */
function mix(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x165667b1, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 15), 0x27d4eb2f)
  return h ^ (h >>> 13)
}

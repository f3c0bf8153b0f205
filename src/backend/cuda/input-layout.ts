import type { Ref } from '../../program/buffer.js'
import type { StepInputs } from '../../program/step.js'
import { integersOf } from '../reference/step-inputs.js'
import type { StepSizes } from './launch/launch.js'
import { aligned } from './storage.js'

/** Ids that are taken from the step before stand apart from those that the host knows. */
export const HOST_IDS = 'host-ids'
export const ID_SOURCES = 'id-sources'
/** Slot of a padding token. */
const NOWHERE = -1

/**
 * Where a step's integers lie in one contiguous piece of memory, the same in the host's staging buffer and on the device, so
 * that one copy brings all of them. It depends on sizes alone: a graph's steps find theirs at the same addresses.
 */
export class InputLayout {
  /** Bytes of all arrays; what follows (sampling records) begins here. */
  readonly bytes: number
  private readonly places = new Map<Ref, { readonly offset: number; readonly elements: number }>()

  constructor(
    private readonly sizes: StepSizes,
    private readonly tableStride: number,
    inputs: ReadonlySet<Ref>,
  ) {
    const { tokens, rows, sequences, copies } = sizes
    let end = 0
    const place = (ref: Ref, elements: number, wanted = inputs.has(ref)) => {
      if (!wanted) return
      this.places.set(ref, { offset: end, elements })
      end = aligned(end + elements * 4)
    }
    place(HOST_IDS, tokens, inputs.has('ids'))
    place(ID_SOURCES, tokens, inputs.has('ids'))
    place('positions', tokens)
    place('rotary-lengths', tokens)
    place('slots', tokens)
    place('query-starts', sequences + 1)
    place('context-lengths', sequences)
    place('rows', rows)
    place('copies', 2 * copies)
    place('block-tables', sequences * tableStride)
    this.bytes = end
  }

  offsetOf(ref: Ref): number | undefined {
    return this.places.get(ref)?.offset
  }

  /** Writes a step that may be smaller than the layout's sizes; what it does not fill becomes padding. */
  write(inputs: StepInputs, staging: ArrayBuffer): void {
    const array = (ref: Ref) => {
      const place = this.places.get(ref)
      return place && new Int32Array(staging, place.offset, place.elements)
    }
    fill(array(HOST_IDS), inputs.ids, 0)
    fill(array(ID_SOURCES), inputs.idsFrom ?? NONE, -1)
    fill(array('slots'), inputs.slots, NOWHERE)
    for (const ref of ['positions', 'rotary-lengths', 'rows', 'copies', 'context-lengths']) {
      const target = array(ref)
      if (target) fill(target, integersOf(inputs, ref), 0)
    }
    this.writeStarts(inputs, array('query-starts'))
    this.writeTables(inputs, array('block-tables'))
  }

  /** A padding sequence owns the padding token of its number. */
  private writeStarts({ queryStarts }: StepInputs, out: Int32Array | undefined): void {
    if (!out) return
    out.set(queryStarts)
    for (let s = queryStarts.length; s < out.length; s++) out[s] = Math.min(s, this.sizes.tokens)
  }

  /** Rows of the engine's table, each with its own stride. Padding sequences look nothing up. */
  private writeTables({ blockTables, contextLengths }: StepInputs, out: Int32Array | undefined): void {
    if (!out) return
    const sequences = contextLengths.length
    const width = sequences > 0 ? blockTables.length / sequences : 0
    if (width === this.tableStride) {
      out.set(blockTables)
      return
    }
    for (let s = 0; s < sequences; s++) {
      const row = blockTables.subarray(s * width, s * width + Math.min(width, this.tableStride))
      out.set(row, s * this.tableStride)
    }
  }
}

const NONE = new Int32Array(0)

function fill(out: Int32Array | undefined, values: Int32Array, padding: number): void {
  if (!out) return
  out.set(values)
  out.fill(padding, values.length)
}

import { type Normalisation, normalise } from './norm.js'
import { type RotaryParameters, rotate, type Turn, turnAt } from './rotary.js'
import type { Rounding } from './rounding.js'

/** Columns of a matrix [tokens, stride] from `offset` on. */
export interface Columns {
  readonly data: Float32Array
  readonly stride: number
  readonly offset: number
}

export interface QkvOperands {
  /** heads * headDim columns */
  readonly q: Columns
  /** kvHeads * headDim columns */
  readonly k: Columns
  readonly v: Columns
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly queryNorm?: Normalisation
  readonly keyNorm?: Normalisation
  readonly rotary?: RotaryParameters
  /** [tokens] */
  readonly positions: Int32Array
  /** [tokens], for dynamic scaling. */
  readonly rotaryLengths?: Int32Array
  /** [tokens] */
  readonly slots: Int32Array
  /** [slots, kvHeads, headDim] */
  readonly keyCache: Float32Array
  readonly valueCache: Float32Array
  /** [tokens, heads * headDim] */
  readonly out: Float32Array
  /** Round to the caches' storage types. */
  readonly roundKey: Rounding
  readonly roundValue: Rounding
}

/**
 * Per token: the query's heads are normalised, rotated and left in `out`; the key's are normalised, rotated and written to
 * the token's slot of the key cache; the value goes to its slot as it is.
 */
export function qkvToCache(operands: QkvOperands): void {
  const { q, k, v, heads, kvHeads, headDim, positions, slots, keyCache, valueCache, out, rotary } = operands
  const cacheWidth = kvHeads * headDim
  for (let t = 0; t < positions.length; t++) {
    const turn = rotary && turnAt(rotary, positions[t]!, operands.rotaryLengths?.[t] ?? 0)
    const query = out.subarray(t * heads * headDim, (t + 1) * heads * headDim)
    query.set(columnsOf(q, t, heads * headDim))
    finishHeads(query, headDim, operands.queryNorm, rotary, turn)

    const slot = slots[t]! * cacheWidth
    const key = keyCache.subarray(slot, slot + cacheWidth)
    key.set(columnsOf(k, t, cacheWidth))
    finishHeads(key, headDim, operands.keyNorm, rotary, turn)
    operands.roundKey(key)

    const value = valueCache.subarray(slot, slot + cacheWidth)
    value.set(columnsOf(v, t, cacheWidth))
    operands.roundValue(value)
  }
}

function columnsOf({ data, stride, offset }: Columns, row: number, width: number): Float32Array {
  return data.subarray(row * stride + offset, row * stride + offset + width)
}

function finishHeads(
  row: Float32Array,
  headDim: number,
  norm: Normalisation | undefined,
  rotary: RotaryParameters | undefined,
  turn: Turn | undefined,
): void {
  if (!norm && !rotary) return
  for (let at = 0; at < row.length; at += headDim) {
    const head = row.subarray(at, at + headDim)
    if (norm) normalise(head, norm)
    if (rotary && turn) rotate(head, rotary, turn)
  }
}

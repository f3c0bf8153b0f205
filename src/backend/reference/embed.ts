import { stepInvalid } from './step-invalid.js'

export interface EmbedOperands {
  /** [tokens] */
  readonly ids: Int32Array
  /** [entries, width] */
  readonly table: Float32Array
  readonly idOffset?: number
  /** [tokens, width] */
  readonly rows?: Float32Array
  readonly scale?: number
  /** [tokens] */
  readonly positions?: Int32Array
  /** [places, width] */
  readonly positionTable?: Float32Array
  readonly positionOffset?: number
  /** [tokens, width] */
  readonly out: Float32Array
  readonly width: number
}

/**
 * out[t] = scale * table[ids[t] + idOffset] + positionTable[positions[t] + positionOffset]; where the id is -1 the
 * token's own row of `rows` takes the place of the table's (soft prompts: Lester et al. 2021).
 */
export function embed(operands: EmbedOperands): void {
  const { ids, table, idOffset = 0, rows, scale = 1, positions, positionTable, positionOffset = 0, out } = operands
  const { width } = operands
  for (let t = 0; t < ids.length; t++) {
    const at = t * width
    const soft = ids[t] === -1 && rows !== undefined
    const source = soft ? rows : table
    const from = soft ? at : rowStart(table, width, ids[t]! + idOffset, 'token id')
    for (let i = 0; i < width; i++) out[at + i] = scale * source[from + i]!
    if (!positions || !positionTable) continue
    const place = rowStart(positionTable, width, positions[t]! + positionOffset, 'position')
    for (let i = 0; i < width; i++) out[at + i] = out[at + i]! + positionTable[place + i]!
  }
}

function rowStart(table: Float32Array, width: number, row: number, what: string): number {
  const rows = table.length / width
  if (!(row >= 0 && row < rows)) stepInvalid(`${what} ${row} is not a row of a table of ${rows}`)
  return row * width
}

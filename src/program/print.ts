import type { BufferReport, OperationReport } from './describe.js'

/** A program as text, an operation a line: what it writes, what it reads, its constants, its bytes and FLOPs. */
export function printOperations(operations: readonly OperationReport[]): string {
  const rows = operations.map(cellsOf)
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? []
  const numeric = new Set([0, 4, 5])
  return rows
    .map((row) =>
      row
        .map((cell, i) => (numeric.has(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function cellsOf({ kind, writes, reads, constants, cost }: OperationReport, index: number): string[] {
  const text = Object.entries(constants).map(([key, value]) => `${key}=${value}`)
  return [
    String(index),
    kind,
    show(writes) || (kind === 'copy-blocks' ? `${writes.length} caches` : ''),
    show(reads) + (text.length > 0 ? `  (${text.join(' ')})` : ''),
    formatQuantity(cost.bytesRead + cost.bytesWritten, 'B'),
    formatQuantity(cost.flops, 'FLOP'),
  ]
}

/** Caches are left out: every layer has them, in the same two operations. */
function show(buffers: readonly BufferReport[]): string {
  return buffers
    .filter(({ kind }) => kind !== 'cache')
    .map(({ name, dtype, shape }) => `${name}:${dtype}[${shape.join(',')}]`)
    .join(' ')
}

/** 1234567 -> '1.23 MB'. */
export function formatQuantity(value: number, unit: string): string {
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P']
  let scaled = value
  let index = 0
  while (scaled >= 1000 && index < prefixes.length - 1) {
    scaled /= 1000
    index++
  }
  const digits = index === 0 ? 0 : scaled < 10 ? 2 : scaled < 100 ? 1 : 0
  return `${scaled.toFixed(digits)} ${prefixes[index]}${unit}`
}

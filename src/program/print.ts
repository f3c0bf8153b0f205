import type { Buffer, Ref } from './buffer.js'
import { costOf, type StepShape } from './cost.js'
import { type Operation, reads, writes } from './operation.js'
import { getBuffer, type Program } from './program.js'

/** The program as text, an operation a line: what it writes, what it reads, its constants, its bytes and FLOPs. */
export function printProgram(program: Program, step: StepShape): string {
  const rows = program.operations.map((op, index) => describe(program, op, index, step))
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

function describe(program: Program, op: Operation, index: number, step: StepShape): string[] {
  const cost = costOf(program, op, step)
  const outputs = writes(op).map((ref) => show(getBuffer(program, ref)))
  const weights = new Set(reads(op).filter((ref) => getBuffer(program, ref).kind !== 'cache'))
  return [
    String(index),
    op.kind,
    outputs.filter((_, i) => getBuffer(program, writes(op)[i]!).kind !== 'cache').join(' ') || cacheNames(op),
    `${[...weights].map((ref) => show(getBuffer(program, ref))).join(' ')}${constants(op)}`,
    formatQuantity(cost.bytesRead + cost.bytesWritten, 'B'),
    formatQuantity(cost.flops, 'FLOP'),
  ]
}

function show(buffer: Buffer): string {
  return `${buffer.name}:${buffer.dtype}[${buffer.shape.join(',')}]`
}

function cacheNames(op: Operation): Ref {
  return op.kind === 'copy-blocks' ? `${op.caches.length} caches` : ''
}

function constants(op: Operation): string {
  const shown = Object.entries(op).filter(
    ([key, value]) =>
      key !== 'kind' &&
      (typeof value !== 'string' || key === 'activation' || key === 'norm') &&
      typeof value !== 'object',
  )
  const rotary = op.kind === 'qkv-to-cache' && op.rotary ? [['rotary', `${op.rotary.dim} ${op.rotary.pairs}`]] : []
  const text = [...shown, ...rotary].map(([key, value]) => `${key}=${value}`).join(' ')
  return text && `  (${text})`
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

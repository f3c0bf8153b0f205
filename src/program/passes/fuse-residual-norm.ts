import type { Ref } from '../buffer.js'
import { type Add, type Norm, type Operation, reads, writes } from '../operation.js'
import { type Program, rebuild } from '../program.js'

/**
 * Folds `add` into the `norm` that reads its result, so that a residual is added while the norm's row is in registers.
 * The fused norm stands where the add stood and keeps the sum only if something else reads it. From the last add to the
 * first, so that a chain of sums folds link by link.
 */
export function fuseResidualNorm(program: Program): Program {
  const operations = [...program.operations]
  const readers = countReaders(program)
  for (let i = operations.length - 1; i >= 0; i--) {
    const add = operations[i]!
    if (add.kind !== 'add') continue
    const at = operations.findIndex((op, j) => j > i && op.kind === 'norm' && op.x === add.out)
    if (at < 0) continue
    const norm = operations[at] as Norm
    const shared = readers.get(add.out)! > 1
    if ((shared && norm.sum) || !canMoveUp(norm, operations.slice(i, at))) continue
    operations[i] = fused(add, norm, shared)
    operations.splice(at, 1)
  }
  return rebuild(program, operations)
}

/** What the norm adds must be there already; nothing it adds may be made by the operations that it passes. */
function canMoveUp(norm: Norm, passed: readonly Operation[]): boolean {
  return !passed.some((op) => writes(op).some((ref) => norm.adds.includes(ref)))
}

/** x + y + more... stays in that order, so that fusing changes no bit. */
function fused(add: Add, norm: Norm, shared: boolean): Norm {
  const sum = norm.sum ?? (shared ? add.out : undefined)
  return { ...norm, x: add.x, adds: [add.y, ...norm.adds], ...(sum !== undefined && { sum }) }
}

/** How often each buffer is read; the host's reading of the hidden states counts. */
function countReaders(program: Program): Map<Ref, number> {
  const counts = new Map<Ref, number>([[program.hidden, 1]])
  for (const op of program.operations) for (const ref of reads(op)) counts.set(ref, (counts.get(ref) ?? 0) + 1)
  return counts
}

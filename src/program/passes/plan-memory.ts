import { bytesOf, elementCount, type Ref } from '../buffer.js'
import { reads, writes } from '../operation.js'
import { getBuffer, type MemoryPlan, type Placement, type Program } from '../program.js'

interface Lifetime {
  readonly ref: Ref
  readonly bytes: number
  readonly first: number
  last: number
}

const ALIGNMENT = 4

/**
 * Gives every activation a place in one of two arenas, whose sizes grow with the step's tokens and with its logit rows.
 * Buffers whose lifetimes do not meet share bytes, so that every layer uses the same ones and the peak does not grow
 * with depth. The widest buffers choose first, of equals the longest-lived, and each takes the lowest place that is free for
 * its whole life (Pisarchyk & Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", greedy by size): in
 * order of birth, narrow buffers would break up the places of wide ones anew in every layer.
 */
export function planMemory(program: Program): Program {
  const placements = new Map<Ref, Placement>()
  const peak = { tokens: 0, rows: 0 }
  for (const per of ['tokens', 'rows'] as const) {
    const placed: (Lifetime & { offset: number })[] = []
    for (const life of lifetimes(program, per).sort(byNeed)) {
      const neighbours = placed.filter((other) => other.last >= life.first && other.first <= life.last)
      const offset = lowestGap(neighbours, life.bytes)
      placed.push({ ...life, offset })
      placements.set(life.ref, { per, offset })
      peak[per] = Math.max(peak[per], offset + life.bytes)
    }
  }
  const memory: MemoryPlan = { placements, bytesPerToken: peak.tokens, bytesPerRow: peak.rows }
  return { ...program, memory }
}

function lifetimes(program: Program, per: 'tokens' | 'rows'): Lifetime[] {
  const lives = new Map<Ref, Lifetime>()
  program.operations.forEach((op, index) => {
    for (const ref of [...writes(op), ...reads(op)]) {
      const buffer = getBuffer(program, ref)
      if (buffer.kind !== 'activation' || buffer.shape[0] !== per) continue
      const bytes = bytesOf(buffer.dtype, elementCount(buffer.shape.slice(1), {}))
      const life = lives.get(ref) ?? { ref, bytes: align(bytes), first: index, last: index }
      life.last = index
      lives.set(ref, life)
    }
  })
  for (const ref of [program.hidden, program.logits]) {
    const life = lives.get(ref)
    if (life) life.last = program.operations.length
  }
  return [...lives.values()]
}

function byNeed(a: Lifetime, b: Lifetime): number {
  return b.bytes - a.bytes || b.last - b.first - (a.last - a.first) || a.first - b.first
}

function lowestGap(neighbours: readonly { offset: number; bytes: number }[], bytes: number): number {
  let offset = 0
  for (const other of [...neighbours].sort((a, b) => a.offset - b.offset)) {
    if (other.offset >= offset + bytes) break
    offset = Math.max(offset, other.offset + other.bytes)
  }
  return offset
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}

import { type Automaton, EDGE } from './automaton.js'
import { tooComplex } from './errors.js'
import type { Frame } from './frames.js'
import { GRAMMAR_LIMITS } from './limits.js'

/** A place in the automaton at which something is taken next, and what waits for its part to end. */
export interface Place {
  readonly node: number
  readonly frame: Frame
}

/** Places at which a text may stand at once, each once. */
export class Places {
  readonly list: Place[] = []
  /** Whether the bottom was reached: all parts have ended. */
  atBottom = false
  private readonly seen = new Map<Frame, Set<number>>()
  private count = 0

  constructor(private readonly automaton: Automaton) {}

  /** Adds a place and all that is reached from it without taking anything. */
  add(node: number, frame: Frame): void {
    const { edgeStarts, kinds, a, b, targets, ends, most, least } = this.automaton
    const open: Place[] = [{ node, frame }]
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      const { node, frame } = place
      if (!this.enter(node, frame)) continue
      if (ends[node] === 1) this.leave(frame, open)
      let takes = false
      for (let edge = edgeStarts[node]!; edge < edgeStarts[node + 1]!; edge++) {
        const target = targets[edge]!
        switch (kinds[edge]) {
          case EDGE.empty:
            open.push({ node: target, frame })
            break
          case EDGE.call: {
            // Nothing waits where only the end is left: lists that contain lists do not pile up.
            const onlyEnds = ends[target] === 1 && edgeStarts[target] === edgeStarts[target + 1]
            open.push({ node: a[edge]!, frame: onlyEnds ? frame : frame.call(target) })
            break
          }
          case EDGE.repeat: {
            const repetition = b[edge]!
            if (most[repetition]! > 0) {
              open.push({ node: a[edge]!, frame: frame.repeat(target, repetition, 0, a[edge]!) })
            }
            if (least[repetition] === 0) open.push({ node: target, frame })
            break
          }
          default:
            takes = true
        }
      }
      if (takes) this.list.push(place)
    }
  }

  /** A part has ended: whoever waited goes on. */
  private leave(frame: Frame, open: Place[]): void {
    const { parent } = frame
    if (parent === undefined) {
      this.atBottom = true
      return
    }
    for (const node of afterEnd(this.automaton, frame)) open.push(node)
  }

  private enter(node: number, frame: Frame): boolean {
    let nodes = this.seen.get(frame)
    if (nodes === undefined) {
      nodes = new Set()
      this.seen.set(frame, nodes)
    }
    if (nodes.has(node)) return false
    nodes.add(node)
    if (++this.count > 8 * GRAMMAR_LIMITS.configurations || this.list.length > GRAMMAR_LIMITS.configurations) {
      throw tooComplex('the output can be understood in too many ways at once')
    }
    return true
  }
}

/** Where a text goes on when the part that `frame` (no bottom) waits for has ended. */
export function afterEnd({ least, most }: Automaton, frame: Frame): Place[] {
  const parent = frame.parent!
  if (frame.repetition < 0) return [{ node: frame.node, frame: parent }]
  const places: Place[] = []
  const count = frame.count + 1
  if (count < most[frame.repetition]!) {
    places.push({ node: frame.body, frame: parent.repeat(frame.node, frame.repetition, count, frame.body) })
  }
  if (count >= least[frame.repetition]!) places.push({ node: frame.node, frame: parent })
  return places
}

import { type Automaton, EDGE } from './automaton.js'
import { type Place, Places } from './closure.js'
import { Frame } from './frames.js'

export const UNKNOWN = -2
export const DEAD = -1

/** States kept before all are forgotten: 1 KB each. */
const MOST_STATES = 4096

interface LocalState {
  readonly places: readonly Place[]
}

/**
 * The automaton as seen from one of its nodes, whatever waits for it to end: a deterministic machine, made as it is walked.
 * A state `escapes` where what was walked has ended, so that the text may go on with whatever waits.
 */
export class LocalStates {
  /** [states, 256]: the next state, DEAD or UNKNOWN. */
  next = new Int32Array(64 * 256).fill(UNKNOWN)
  escapes = new Uint8Array(64)
  private states: LocalState[] = []
  private readonly byPlaces = new Map<string, number>()
  private readonly roots = new Map<number, number>()
  private readonly bottom = Frame.bottom()

  constructor(private readonly automaton: Automaton) {}

  /** The state of standing at `node`. */
  root(node: number): number {
    const known = this.roots.get(node)
    if (known !== undefined) return known
    const places = new Places(this.automaton)
    places.add(node, this.bottom)
    const state = this.intern(places)
    this.roots.set(node, state)
    return state
  }

  /** Follows a byte that has not been followed yet. */
  step(state: number, byte: number): number {
    const places = new Places(this.automaton)
    takeByte(this.automaton, this.states[state]!.places, byte, places)
    const next = places.list.length === 0 && !places.atBottom ? DEAD : this.intern(places)
    this.next[state * 256 + byte] = next
    return next
  }

  /** To be called between walks, never within one. */
  tidy(): void {
    if (this.states.length < MOST_STATES) return
    this.next = new Int32Array(64 * 256).fill(UNKNOWN)
    this.escapes = new Uint8Array(64)
    this.states = []
    this.byPlaces.clear()
    this.roots.clear()
    this.bottom.forget()
  }

  private intern(places: Places): number {
    const key = keyOfPlaces(places.list, places.atBottom)
    const known = this.byPlaces.get(key)
    if (known !== undefined) return known
    const state = this.states.push({ places: places.list }) - 1
    if (state >= this.escapes.length) this.grow()
    this.escapes[state] = places.atBottom ? 1 : 0
    this.byPlaces.set(key, state)
    return state
  }

  private grow(): void {
    const next = new Int32Array(this.next.length * 2).fill(UNKNOWN)
    next.set(this.next)
    this.next = next
    const escapes = new Uint8Array(this.escapes.length * 2)
    escapes.set(this.escapes)
    this.escapes = escapes
  }
}

/** Adds to `found` whatever is reached from the places by a byte. */
export function takeByte(automaton: Automaton, places: readonly Place[], byte: number, found: Places): void {
  const { edgeStarts, kinds, a, b, targets } = automaton
  for (const { node, frame } of places) {
    for (let edge = edgeStarts[node]!; edge < edgeStarts[node + 1]!; edge++) {
      if (kinds[edge] === EDGE.byte && byte >= a[edge]! && byte <= b[edge]!) found.add(targets[edge]!, frame)
    }
  }
}

/** The same for equal sets of places. */
export function keyOfPlaces(places: readonly Place[], atBottom: boolean): string {
  const keys = places.map(({ node, frame }) => `${node}:${frame.id}`).sort()
  return `${atBottom ? '!' : ''}${keys.join(' ')}`
}

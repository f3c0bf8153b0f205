import { WarplineError } from '../errors.js'

export interface StopStringsOptions {
  /** Let the stop string itself through. Default: false. */
  includeStop?: boolean
}

export interface StopStringsPart {
  /** Text that is certain not to belong to a stop string. */
  emit: string
  /** The stop string that ended the text. */
  stopped?: string
}

interface Node {
  readonly depth: number
  readonly next: Map<number, Node>
  /** The longest proper suffix of this prefix that is a prefix too. */
  fallback: Node
  /** The longest stop string that ends here. */
  stop: string | undefined
}

/**
 * Finds stop strings in streamed text, across the borders of its parts, and holds back whatever may still become one. The
 * match that is complete first wins, as that is when generation can stop; of several that end together, the longest. How
 * the text is cut into parts changes nothing. One automaton over all strings (Aho & Corasick 1975): work is linear in the text.
 */
export class StopStrings {
  readonly #root: Node
  readonly #includeStop: boolean
  #state: Node
  /** The last `#state.depth` characters, not yet emitted. */
  #held = ''
  #stopped = false

  constructor(stops: readonly string[], options: StopStringsOptions = {}) {
    if (stops.includes('')) {
      throw new WarplineError(
        'stop-string-empty',
        'a stop string is empty and would stop every text at once; leave it out',
      )
    }
    this.#includeStop = options.includeStop ?? false
    this.#root = buildAutomaton(stops)
    this.#state = this.#root
  }

  /** What `text` makes certain. After a stop, nothing more comes out. */
  push(text: string): StopStringsPart {
    if (this.#stopped) return { emit: '' }
    const all = this.#held + text
    let state = this.#state
    for (let i = this.#held.length; i < all.length; i++) {
      state = advance(this.#root, state, all.charCodeAt(i))
      if (state.stop !== undefined) {
        this.#stopped = true
        this.#held = ''
        const end = i + 1
        return { emit: all.slice(0, this.#includeStop ? end : end - state.stop.length), stopped: state.stop }
      }
    }
    this.#state = state
    const kept = all.length - state.depth
    this.#held = all.slice(kept)
    return { emit: all.slice(0, kept) }
  }

  /** The text still held back, when the stream has ended without a stop. */
  finish(): string {
    const rest = this.#held
    this.#held = ''
    this.#state = this.#root
    return rest
  }
}

function advance(root: Node, state: Node, code: number): Node {
  for (let node = state; ; node = node.fallback) {
    const next = node.next.get(code)
    if (next !== undefined) return next
    if (node === root) return root
  }
}

function buildAutomaton(stops: readonly string[]): Node {
  const root = { depth: 0, next: new Map(), stop: undefined } as unknown as Node
  root.fallback = root
  for (const stop of stops) {
    let node = root
    for (let i = 0; i < stop.length; i++) {
      const code = stop.charCodeAt(i)
      let next = node.next.get(code)
      if (next === undefined) {
        next = { depth: i + 1, next: new Map(), fallback: root, stop: undefined }
        node.next.set(code, next)
      }
      node = next
    }
    node.stop = stop
  }
  const queue: Node[] = [...root.next.values()]
  for (const node of queue) {
    node.stop ??= node.fallback.stop
    for (const [code, child] of node.next) {
      child.fallback = advance(root, node.fallback, code)
      queue.push(child)
    }
  }
  return root
}

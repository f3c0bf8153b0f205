import { type Automaton, EDGE } from './automaton.js'
import { type Place, Places } from './closure.js'
import { Frame } from './frames.js'
import { takeByte } from './local-states.js'
import { Masks } from './masks.js'
import { bytesOfToken, type Vocabulary } from './vocabulary.js'

/** How far a text has come in an automaton. Never changes: texts that share a beginning share it. */
export interface MatchState {
  readonly places: readonly Place[]
  /** Whether the text may end here. */
  readonly complete: boolean
}

/** An automaton at work on a vocabulary, for any number of texts at once. */
export class Matcher {
  private readonly masks: Masks

  constructor(
    private readonly automaton: Automaton,
    private readonly vocabulary: Vocabulary,
  ) {
    this.masks = new Masks(automaton, vocabulary)
  }

  /** No text yet. `afterSpace`: a first space is no part of the text, since decoders drop it. */
  begin(afterSpace: boolean): MatchState {
    const places = new Places(this.automaton)
    places.add(afterSpace ? this.automaton.spacedStart : this.automaton.start, Frame.bottom())
    return stateOf(places)
  }

  /**
   * The state after one more token; undefined where the token is not allowed.
   * Errors: `grammar-too-complex`.
   */
  advance(state: MatchState, token: number): MatchState | undefined {
    const bytes = token < this.vocabulary.size ? bytesOfToken(this.vocabulary, token) : new Uint8Array(0)
    if (bytes.length === 0) return this.takeControlToken(state, token)
    let current = state
    for (const byte of bytes) {
      const places = new Places(this.automaton)
      takeByte(this.automaton, current.places, byte, places)
      current = stateOf(places)
      if (current.places.length === 0 && !current.complete) return undefined
    }
    return current
  }

  /**
   * Which tokens may follow, a bit for each: bit (id % 32) of word (id / 32). Where nothing may, the text is complete. Not to
   * be written to.
   * Errors: `grammar-too-complex`.
   */
  allowed(state: MatchState): Uint32Array {
    return this.masks.of(state.places)
  }

  private takeControlToken(state: MatchState, token: number): MatchState | undefined {
    const { edgeStarts, kinds, a, targets } = this.automaton
    const places = new Places(this.automaton)
    for (const { node, frame } of state.places) {
      for (let edge = edgeStarts[node]!; edge < edgeStarts[node + 1]!; edge++) {
        if (kinds[edge] === EDGE.token && a[edge] === token) places.add(targets[edge]!, frame)
      }
    }
    const next = stateOf(places)
    return next.places.length > 0 || next.complete ? next : undefined
  }
}

function stateOf(places: Places): MatchState {
  return { places: places.list, complete: places.atBottom }
}

import { type Automaton, EDGE } from './automaton.js'
import { afterEnd, type Place } from './closure.js'
import { tooComplex } from './errors.js'
import { Frame } from './frames.js'
import { GRAMMAR_LIMITS } from './limits.js'
import { DEAD, keyOfPlaces, LocalStates, UNKNOWN } from './local-states.js'
import type { Vocabulary } from './vocabulary.js'

/** New places before the frames of old ones are let go. */
const MISSES_KEPT = 2 ** 14

/** What can be said of a node whatever waits for its part to end. */
interface NodeMask {
  /** Tokens that stand within the part, or end it. */
  readonly allowed: Uint32Array
  /** Nodes of the vocabulary's tree at which the part has ended and tokens go on. */
  readonly escapes: readonly number[]
}

/**
 * Which tokens may come next, as a bit for each: bit (id % 32) of word (id / 32).
 *
 * The vocabulary's tree is walked once for each node of the automaton, with what waits behind the node left open; only where
 * tokens reach beyond the node's part is its own stack looked at. So the work for one string within an object is that for
 * every other, and what was found is kept. (The idea is XGrammar's; Dong et al. 2024.)
 */
export class Masks {
  private readonly local: LocalStates
  private readonly ofNode = new Map<number, NodeMask>()
  private readonly ofPlaces = new Map<string, Uint32Array>()
  private readonly words: number
  /** The local state at each depth of the walk. */
  private readonly path: Int32Array
  private work = 0
  private target = new Uint32Array(0)
  /** Where escapes are noted, instead of being followed. */
  private noted: number[] | undefined
  private readonly unknown = Frame.bottom()
  /** What the frames of all texts are compared on. */
  private bottom = Frame.bottom()
  private misses = 0

  constructor(
    private readonly automaton: Automaton,
    private readonly vocabulary: Vocabulary,
  ) {
    this.local = new LocalStates(automaton)
    this.words = Math.ceil(vocabulary.size / 32)
    this.path = new Int32Array(vocabulary.longest + 1)
  }

  /**
   * Tokens that may follow; the same array for equal places, not to be written to.
   * Errors: `grammar-too-complex`.
   */
  of(places: readonly Place[]): Uint32Array {
    const { longest } = this.vocabulary
    const simple = places.map(({ node, frame }) => ({
      node,
      frame: frame.simplest(this.automaton, longest, this.bottom),
    }))
    const key = keyOfPlaces(simple, false)
    const known = this.ofPlaces.get(key)
    if (known) {
      // The map's order is that of their last use.
      this.ofPlaces.delete(key)
      this.ofPlaces.set(key, known)
      return known
    }
    const mask = this.compute(simple)
    keep(this.ofPlaces, key, mask)
    if (++this.misses % MISSES_KEPT === 0) this.bottom = Frame.bottom()
    return mask
  }

  private compute(places: readonly Place[]): Uint32Array {
    this.local.tidy()
    this.work = 0
    const mask = new Uint32Array(this.words)
    for (const { node, frame } of places) {
      const { allowed, escapes } = this.maskOfNode(node)
      for (let word = 0; word < mask.length; word++) mask[word]! |= allowed[word]!
      this.target = mask
      for (const at of escapes) this.follow(at, frame)
    }
    return mask
  }

  private maskOfNode(node: number): NodeMask {
    const known = this.ofNode.get(node)
    if (known) return known
    const allowed = new Uint32Array(this.words)
    const escapes: number[] = []
    this.target = allowed
    this.noted = escapes
    this.walk(this.local.root(node), 0, this.unknown)
    this.noted = undefined
    const { edgeStarts, kinds, a } = this.automaton
    for (let edge = edgeStarts[node]!; edge < edgeStarts[node + 1]!; edge++) {
      if (kinds[edge] === EDGE.token) allow(allowed, a[edge]!)
    }
    keep(this.ofNode, node, { allowed, escapes })
    return { allowed, escapes }
  }

  /** Tokens below a node of the tree, at which the text stands in `state` and `frame` waits. */
  private walk(state: number, from: number, frame: Frame): void {
    const { bytes, depths, skips, tokens, alike } = this.vocabulary
    const { local, path } = this
    const end = skips[from]!
    path[depths[from]!] = state
    for (let at = from + 1; at < end; ) {
      if (++this.work > GRAMMAR_LIMITS.maskWork) throw tooComplex('what may come next takes too long to find')
      const depth = depths[at]!
      const before = path[depth - 1]!
      const byte = bytes[at]!
      let next = local.next[before * 256 + byte]!
      if (next === UNKNOWN) next = local.step(before, byte)
      if (next === DEAD) {
        at = skips[at]!
        continue
      }
      for (let token = tokens[at]!; token >= 0; token = alike[token]!) allow(this.target, token)
      if (local.escapes[next] === 1 && skips[at]! > at + 1) {
        if (this.noted) this.noted.push(at)
        else this.follow(at, frame)
      }
      path[depth] = next
      at++
    }
  }

  /** The part that `frame` waits for has ended at a node of the tree, and tokens go on below it. */
  private follow(at: number, frame: Frame): void {
    if (frame.parent === undefined) return
    for (const place of afterEnd(this.automaton, frame)) {
      const state = this.local.root(place.node)
      if (this.local.escapes[state] === 1) this.follow(at, place.frame)
      this.walk(state, at, place.frame)
    }
  }
}

function allow(mask: Uint32Array, id: number): void {
  mask[id >>> 5]! |= 1 << (id & 31)
}

/** Adds, and forgets what was not used for longest. */
function keep<K, V>(cache: Map<K, V>, key: K, value: V): void {
  cache.set(key, value)
  if (cache.size > GRAMMAR_LIMITS.cachedMasks) cache.delete(cache.keys().next().value!)
}

/**
 * A recursive transition network over the bytes of UTF-8: nodes with edges, some of which call another part of the network
 * and go on when that part has reached an end. Plain data, so that it may be sent to the engine.
 */
export interface Automaton {
  /** Tells one automaton from another: equal keys have equal content. */
  readonly key: string
  /** Where texts begin. */
  readonly start: number
  /** Where they begin with or without a space that is not theirs. */
  readonly spacedStart: number
  /** Edges of node i: `edgeStarts[i]` up to `edgeStarts[i + 1]`. */
  readonly edgeStarts: Int32Array
  /** Of each edge, by `EDGE`: what `a`, `b` and `target` are. */
  readonly kinds: Uint8Array
  readonly a: Int32Array
  readonly b: Int32Array
  readonly targets: Int32Array
  /** Nodes at which a part ends: 1. */
  readonly ends: Uint8Array
  /** Of each counted repetition, named by `b` of its edge. */
  readonly least: Int32Array
  readonly most: Int32Array
  /**
   * Nodes at which its body may run any number of times more: `loops` may be left for what follows, `endless` may not. They
   * stand in for counts that a token cannot reach the bounds of.
   */
  readonly loops: Int32Array
  readonly endless: Int32Array
}

export const EDGE = {
  /** Takes nothing. */
  empty: 0,
  /** Takes a byte from `a` to `b`. */
  byte: 1,
  /** Takes the control token `a`. */
  token: 2,
  /** Runs the part that begins at node `a`, then goes on at `target`. */
  call: 3,
  /** Runs the part at node `a`, which takes something, `least[b]` to `most[b]` times. */
  repeat: 4,
} as const

import { createHash } from 'node:crypto'
import { type Automaton, EDGE } from './automaton.js'
import { invalidGrammar, quoted, tooComplex } from './errors.js'
import type { Expression, Grammar, Range } from './expression.js'
import { GRAMMAR_LIMITS } from './limits.js'
import { checkRecursion, pruneDeadEnds } from './network.js'
import { type ByteSequence, byteSequences } from './utf8.js'

/** Repetitions of at most so many nodes are written out: their masks need no counts. */
const WRITTEN_OUT = 48
/** What may be empty cannot be counted, and is written out while that is possible. */
const WRITTEN_OUT_EMPTY = 4096
/** Of expressions within each other. */
const MOST_DEPTH = 8 * GRAMMAR_LIMITS.depth

const SPACE = 0x20

/** An edge of the network under construction. */
export interface Edge {
  readonly kind: number
  readonly a: number
  readonly b: number
  readonly target: number
}

/** A counted repetition; `loop` and `endless` as in `Automaton`. */
export interface Repeat {
  readonly min: number
  readonly max: number
  readonly loop: number
  readonly endless: number
}

/** A network under construction. */
export interface Network {
  start: number
  spacedStart: number
  readonly edges: Edge[][]
  readonly ends: boolean[]
  readonly repeats: Repeat[]
}

/**
 * The automaton of a grammar, without nodes from which no text could be finished. Time and size are bounded
 * (`GRAMMAR_LIMITS`). Errors: `grammar-too-complex`, `grammar-invalid` (an unknown rule, a rule that begins with itself, no
 * text at all).
 */
export function compileGrammar(grammar: Grammar): Automaton {
  const network = new Builder(grammar).build()
  checkRecursion(network)
  if (!pruneDeadEnds(network)) throw invalidGrammar('no text can satisfy it')
  return pack(network)
}

class Builder {
  private readonly network: Network = { start: 0, spacedStart: 0, edges: [], ends: [], repeats: [] }
  private readonly starts = new Map<string, number>()
  private readonly open: string[] = []
  private readonly nullable = new Map<string, boolean>()
  private edgeCount = 0

  constructor(private readonly grammar: Grammar) {}

  build(): Network {
    const start = this.part(this.grammar.root)
    const spacedStart = this.node()
    this.edge(spacedStart, EDGE.empty, 0, 0, start)
    this.edge(spacedStart, EDGE.byte, SPACE, SPACE, start)
    this.network.start = start
    this.network.spacedStart = spacedStart
    for (let name = this.open.pop(); name !== undefined; name = this.open.pop()) {
      const end = this.end()
      this.connect(this.starts.get(name)!, this.grammar.rules.get(name)!, end, 0)
    }
    return this.network
  }

  /** A part of its own; where it begins. */
  private part(expression: Expression): number {
    const start = this.node()
    this.connect(start, expression, this.end(), 0)
    return start
  }

  private ruleStart(name: string): number {
    const known = this.starts.get(name)
    if (known !== undefined) return known
    if (!this.grammar.rules.has(name)) throw invalidGrammar(`there is no rule ${quoted(name)}`)
    const start = this.node()
    this.starts.set(name, start)
    this.open.push(name)
    return start
  }

  private connect(from: number, expression: Expression, to: number, depth: number): void {
    if (depth > MOST_DEPTH) throw tooComplex('it is nested too deep')
    switch (expression.kind) {
      case 'text':
        this.bytes(from, new TextEncoder().encode(expression.text), to)
        break
      case 'class':
        this.characters(from, expression.ranges, to)
        break
      case 'sequence': {
        const last = expression.parts.length - 1
        let at = from
        for (const [i, part] of expression.parts.entries()) {
          const next = i === last ? to : this.node()
          this.connect(at, part, next, depth + 1)
          at = next
        }
        if (last < 0) this.edge(from, EDGE.empty, 0, 0, to)
        break
      }
      case 'choice':
        this.choice(from, expression.options, to, depth)
        break
      case 'rule':
        this.edge(from, EDGE.call, this.ruleStart(expression.name), 0, to)
        break
      case 'token':
        this.edge(from, EDGE.token, expression.id, 0, to)
        break
      case 'until':
        this.until(from, expression.end, to)
        break
      case 'repeat':
        this.repeat(from, expression, to, depth)
    }
  }

  /** Texts share their beginnings, so that a list of thousands stands at one place at a time. */
  private choice(from: number, options: readonly Expression[], to: number, depth: number): void {
    const nodes = new Map<string, number>()
    for (const option of options) {
      if (option.kind !== 'text' || options.length === 1) this.connect(from, option, to, depth + 1)
      else this.sharedText(from, Buffer.from(option.text).toString('latin1'), to, nodes)
    }
  }

  /** `nodes`: of each beginning, a character a byte. */
  private sharedText(from: number, text: string, to: number, nodes: Map<string, number>): void {
    let at = from
    for (let length = 1; length <= text.length; length++) {
      const beginning = text.slice(0, length)
      let next = nodes.get(beginning)
      if (next === undefined) {
        next = this.node()
        nodes.set(beginning, next)
        const byte = text.charCodeAt(length - 1)
        this.edge(at, EDGE.byte, byte, byte, next)
      }
      at = next
    }
    this.edge(at, EDGE.empty, 0, 0, to)
  }

  private bytes(from: number, bytes: Uint8Array, to: number): void {
    let at = from
    for (const [i, byte] of bytes.entries()) {
      const next = i === bytes.length - 1 ? to : this.node()
      this.edge(at, EDGE.byte, byte, byte, next)
      at = next
    }
    if (bytes.length === 0) this.edge(from, EDGE.empty, 0, 0, to)
  }

  /** A tree over their bytes, in which characters that end alike share their ends: after each byte there is one node at most. */
  private characters(from: number, ranges: readonly Range[], to: number): void {
    this.branch(from, byteSequences(ranges), to, new Map())
  }

  private branch(from: number, sequences: readonly ByteSequence[], to: number, shared: Map<string, number>): void {
    const byFirst = new Map<string, ByteSequence[]>()
    for (const sequence of sequences) {
      const key = `${sequence[0]![0]}-${sequence[0]![1]}`
      const alike = byFirst.get(key)
      if (alike) alike.push(sequence)
      else byFirst.set(key, [sequence])
    }
    for (const alike of byFirst.values()) {
      const [low, high] = alike[0]![0]!
      const rest = alike.filter((sequence) => sequence.length > 1).map((sequence) => sequence.slice(1))
      this.edge(from, EDGE.byte, low, high, rest.length === 0 ? to : this.tail(rest, to, shared))
    }
  }

  private tail(sequences: readonly ByteSequence[], to: number, shared: Map<string, number>): number {
    const key = JSON.stringify(sequences)
    let node = shared.get(key)
    if (node === undefined) {
      node = this.node()
      shared.set(key, node)
      this.branch(node, sequences, to, shared)
    }
    return node
  }

  private repeat(from: number, { body, min, max }: Extract<Expression, { kind: 'repeat' }>, to: number, depth: number) {
    if (min > max) return
    if (min > GRAMMAR_LIMITS.repetitions || (Number.isFinite(max) && max > GRAMMAR_LIMITS.repetitions)) {
      throw tooComplex(`it repeats something more than ${GRAMMAR_LIMITS.repetitions} times`)
    }
    if (max === Number.POSITIVE_INFINITY) {
      const loop = this.node()
      const before = Math.max(0, min - 1)
      this.repeat(from, { kind: 'repeat', body, min: before, max: before }, loop, depth + 1)
      const again = this.node()
      this.connect(loop, body, again, depth + 1)
      this.edge(again, EDGE.empty, 0, 0, loop)
      this.edge(min === 0 ? loop : again, EDGE.empty, 0, 0, to)
      return
    }
    if (max === 0) {
      this.edge(from, EDGE.empty, 0, 0, to)
      return
    }
    const mayBeEmpty = isNullable(body, this.grammar, this.nullable, 0)
    const size = sizeOf(body)
    if (max === 1 || size * max <= WRITTEN_OUT || (mayBeEmpty && size * max <= WRITTEN_OUT_EMPTY)) {
      let at = from
      for (let i = 1; i <= max; i++) {
        const next = this.node()
        this.connect(at, body, next, depth + 1)
        if (i > min) this.edge(at, EDGE.empty, 0, 0, to)
        at = next
      }
      this.edge(at, EDGE.empty, 0, 0, to)
      return
    }
    if (mayBeEmpty) throw tooComplex(`it repeats something that may be empty up to ${max} times`)
    const start = this.part(body)
    const [loop, endless] = [this.node(), this.node()]
    this.edge(loop, EDGE.call, start, 0, loop)
    this.edge(loop, EDGE.empty, 0, 0, to)
    this.edge(endless, EDGE.call, start, 0, endless)
    this.network.repeats.push({ min, max, loop, endless })
    this.edge(from, EDGE.repeat, start, this.network.repeats.length - 1, to)
  }

  /** Any characters, with how much of `end` they have come to (Knuth, Morris & Pratt 1977). */
  private until(from: number, end: string, to: number): void {
    const nodes = [...end].map(() => this.node())
    this.edge(from, EDGE.empty, 0, 0, nodes[0]!)
    for (const [matched, node] of nodes.entries()) {
      const told: (readonly [number, number])[] = []
      for (const character of new Set(end)) {
        const next = overlap(end, end.slice(0, matched) + character)
        const code = character.codePointAt(0)!
        told.push([code, code])
        if (next > 0) this.characters(node, [[code, code]], next === end.length ? to : nodes[next]!)
        else this.characters(node, [[code, code]], nodes[0]!)
      }
      this.characters(node, others(told), nodes[0]!)
    }
  }

  private node(): number {
    if (this.network.edges.length >= GRAMMAR_LIMITS.nodes)
      throw tooComplex(`it needs over ${GRAMMAR_LIMITS.nodes} nodes`)
    this.network.ends.push(false)
    return this.network.edges.push([]) - 1
  }

  private end(): number {
    const node = this.node()
    this.network.ends[node] = true
    return node
  }

  private edge(from: number, kind: number, a: number, b: number, target: number): void {
    if (++this.edgeCount > GRAMMAR_LIMITS.edges) throw tooComplex(`it needs over ${GRAMMAR_LIMITS.edges} edges`)
    this.network.edges[from]!.push({ kind, a, b, target })
  }
}

function others(told: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const gaps: (readonly [number, number])[] = []
  let next = 0
  for (const [code] of [...told].sort((x, y) => x[0] - y[0])) {
    if (next < code) gaps.push([next, code - 1])
    next = code + 1
  }
  gaps.push([next, 0x10ffff])
  return gaps
}

/** The longest beginning of `sought` that `seen` ends with. */
function overlap(sought: string, seen: string): number {
  for (let length = Math.min(sought.length, seen.length); length > 0; length--) {
    if (seen.endsWith(sought.slice(0, length))) return length
  }
  return 0
}

/** Errs where rules contain each other, which is found later: `checkRecursion` looks at the finished network. */
function isNullable(expression: Expression, grammar: Grammar, known: Map<string, boolean>, depth: number): boolean {
  if (depth > MOST_DEPTH) return false
  const look = (part: Expression) => isNullable(part, grammar, known, depth + 1)
  switch (expression.kind) {
    case 'text':
      return expression.text === ''
    case 'sequence':
      return expression.parts.every(look)
    case 'choice':
      return expression.options.some(look)
    case 'repeat':
      return expression.min === 0 || look(expression.body)
    case 'rule': {
      const { name } = expression
      const definition = grammar.rules.get(name)
      if (definition === undefined) return false
      if (!known.has(name)) {
        known.set(name, false)
        known.set(name, look(definition))
      }
      return known.get(name)!
    }
    default:
      return false
  }
}

/** About how many nodes it takes. */
function sizeOf(expression: Expression): number {
  switch (expression.kind) {
    case 'text':
      return expression.text.length
    case 'class':
      return expression.ranges.some(([, high]) => high > 0x7f) ? 6 : 1
    case 'sequence':
      return expression.parts.reduce((sum, part) => sum + sizeOf(part), 0)
    case 'choice':
      return expression.options.reduce((sum, option) => sum + sizeOf(option), 0)
    case 'repeat':
      return sizeOf(expression.body) * (Number.isFinite(expression.max) ? expression.max : expression.min + 1) + 1
    case 'until':
      return expression.end.length
    default:
      return 1
  }
}

function pack({ start, spacedStart, edges, ends, repeats }: Network): Automaton {
  const count = edges.reduce((sum, list) => sum + list.length, 0)
  const data = {
    start,
    spacedStart,
    edgeStarts: new Int32Array(edges.length + 1),
    kinds: new Uint8Array(count),
    a: new Int32Array(count),
    b: new Int32Array(count),
    targets: new Int32Array(count),
    ends: Uint8Array.from(ends, Number),
    least: Int32Array.from(repeats, ({ min }) => min),
    most: Int32Array.from(repeats, ({ max }) => max),
    loops: Int32Array.from(repeats, ({ loop }) => loop),
    endless: Int32Array.from(repeats, ({ endless }) => endless),
  }
  let place = 0
  for (const [node, list] of edges.entries()) {
    for (const { kind, a, b, target } of list) {
      data.kinds[place] = kind
      data.a[place] = a
      data.b[place] = b
      data.targets[place++] = target
    }
    data.edgeStarts[node + 1] = place
  }
  return { key: keyOf(data), ...data }
}

function keyOf(data: Omit<Automaton, 'key'>): string {
  const hash = createHash('sha256').update(`${data.start}`)
  for (const array of [
    data.edgeStarts,
    data.kinds,
    data.a,
    data.b,
    data.targets,
    data.ends,
    data.least,
    data.most,
    data.loops,
    data.endless,
  ]) {
    hash.update(`;${array.byteLength};`).update(array)
  }
  return hash.digest('base64')
}

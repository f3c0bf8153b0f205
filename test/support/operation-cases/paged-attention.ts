import type { HeadNorm, Rotary } from '../../../src/program/operation.js'
import * as naive from '../naive.js'
import { CaseBuilder, type Part } from './builder.js'
import type { BuiltCase, CaseStorage, ExpectedStep } from './case.js'

/** What happens in one step: sequences by number, and how many tokens each adds. */
export interface ScheduledStep {
  readonly adds: readonly (readonly [sequence: number, tokens: number])[]
  /** First, sequence `to` becomes a copy of sequence `from`: full blocks are shared, the last is copied. */
  readonly forks?: readonly (readonly [from: number, to: number])[]
}

export interface AttentionForm {
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly schedule: readonly ScheduledStep[]
  /** headDim ** -0.5 unless given. */
  readonly scale?: number
  readonly window?: number
  readonly softCap?: number
  readonly alibi?: boolean
  readonly alibiScale?: number
  readonly rotary?: { readonly dim: number; readonly pairs: 'half' | 'interleaved'; readonly scale?: number }
  /** Rotary base grows for sequences longer than this; prompts are longer, later ones shorter. */
  readonly dynamicFrom?: number
  readonly headNorm?: 'layer' | 'rms'
  /** Query, key and value are columns of one buffer. */
  readonly fused?: boolean
  /** The case reads the finished queries in place of what attention made of them. */
  readonly readQueries?: boolean
}

const THETA = 10000
const FACTOR = 2
const EPSILON = 1e-6

/** `copy-blocks` (if anything forks), `qkv-to-cache` and `attention`, as they follow each other in a layer. */
export function buildAttention(form: AttentionForm, storage: CaseStorage): BuiltCase {
  const { heads, kvHeads, headDim, schedule } = form
  const counts = schedule.map(({ adds }) => naive.sum(adds.map(([, count]) => count)))
  const b = new CaseBuilder(storage, counts, headDim + heads)
  const qkv = operands(b, form)
  const caches = { keyCache: b.cache('keys', kvHeads, headDim), valueCache: b.cache('values', kvHeads, headDim) }
  const normNames = ['query-norm', 'key-norm']
  const norms = form.headNorm ? normNames.map((name) => b.vector(name, [headDim])) : undefined
  const [queryNorm, keyNorm] = normNames.map((weight): HeadNorm => ({ norm: form.headNorm!, epsilon: EPSILON, weight }))
  const rotary = form.rotary && declareRotary(b, form)
  if (schedule.some(({ forks }) => forks)) {
    b.add({ kind: 'copy-blocks', caches: Object.values(caches), pairs: b.input('copies') })
  }
  b.add({
    kind: 'qkv-to-cache',
    ...qkv.slices,
    ...{ heads, kvHeads, headDim },
    ...(norms && { queryNorm, keyNorm }),
    ...(rotary && { rotary }),
    positions: b.input('positions'),
    slots: b.input('slots'),
    ...caches,
    out: b.activation('queries', 'tokens', heads * headDim),
  })
  const slopes = form.alibi ? b.vector('slopes', [heads]) : undefined
  const { scale = headDim ** -0.5 } = form
  b.add({
    kind: 'attention',
    q: 'queries',
    ...caches,
    ...{ heads, kvHeads, headDim, scale },
    ...(form.window && { window: form.window }),
    ...(form.softCap && { softCap: form.softCap }),
    ...(slopes && { alibi: 'slopes' }),
    ...(form.alibiScale && { alibiScale: form.alibiScale }),
    queryStarts: b.input('query-starts'),
    contextLengths: b.input('context-lengths'),
    blockTables: b.input('block-tables'),
    out: b.activation('attended', 'tokens', heads * headDim),
  })
  const out = form.readQueries ? 'queries' : 'attended'
  const places = placeSequences(form, b)
  const expected = expectSteps(form, { ...qkv, norms, slopes, scale })
  return b.finishSchedule({ hidden: out, logits: out }, places.blocks, places.steps, expected, { want: 'hidden' })
}

interface Given {
  /** A row for every token of every step. */
  readonly q: naive.Matrix
  readonly k: naive.Matrix
  readonly v: naive.Matrix
  /** Weights of the query's and the key's norm. */
  readonly norms: readonly ArrayLike<number>[] | undefined
  readonly slopes: ArrayLike<number> | undefined
  readonly scale: number
}

/** Finished keys and values of one sequence, by position and head. */
interface Past {
  readonly keys: naive.Matrix[]
  readonly values: naive.Matrix[]
}

function expectSteps(form: AttentionForm, given: Given): ExpectedStep[] {
  const sequences = new Map<number, Past>()
  let token = 0
  return form.schedule.map(({ adds, forks = [] }) => {
    for (const [from, to] of forks) {
      const { keys, values } = sequences.get(from)!
      sequences.set(to, { keys: [...keys], values: [...values] })
    }
    const rows: number[][] = []
    for (const [sequence, count] of adds) {
      const past = sequences.get(sequence) ?? { keys: [], values: [] }
      sequences.set(sequence, past)
      for (let i = 0; i < count; i++) rows.push(expectToken(form, given, token++, past, promptLength(form, sequence)))
    }
    return { hidden: rows.flat() }
  })
}

/** Adds the token's key and value to its sequence and gives its output row. */
function expectToken(form: AttentionForm, given: Given, token: number, past: Past, prompt: number): number[] {
  const { headDim, heads, kvHeads, window, softCap, alibiScale, readQueries } = form
  const { norms, slopes, scale } = given
  const position = past.keys.length
  const finish = (row: readonly number[], weight?: ArrayLike<number>) =>
    naive.heads(row, headDim).map((head) => finishHead(form, head, position, Math.max(prompt, position + 1), weight))
  past.keys.push(finish(given.k[token]!, norms?.[1]))
  past.values.push(naive.heads(given.v[token]!, headDim))
  return finish(given.q[token]!, norms?.[0]).flatMap((query, h) => {
    if (readQueries) return query
    const kv = Math.floor(h / (heads / kvHeads))
    const [keys, values] = [past.keys.map((key) => key[kv]!), past.values.map((value) => value[kv]!)]
    const slope = slopes ? slopes[h]! : 0
    const bias = (j: number) =>
      alibiScale === undefined ? slope * (j - position) : alibiScale * naive.roundToBf16(slope * j)
    return naive.attend(query, keys, values, { scale, window, softCap, bias })
  })
}

function finishHead(
  form: AttentionForm,
  head: readonly number[],
  position: number,
  length: number,
  weight: ArrayLike<number> | undefined,
): readonly number[] {
  const normed = weight ? naive.norm(head, { norm: form.headNorm!, epsilon: EPSILON, weight }) : head
  if (!form.rotary) return normed
  const { dim, pairs, scale = 1 } = form.rotary
  return naive.rotate(normed, position, { dim, pairs, scale, frequencies: frequenciesAt(form, length) })
}

function operands(b: CaseBuilder, { heads, kvHeads, headDim, fused }: AttentionForm) {
  const widths = [heads * headDim, kvHeads * headDim, kvHeads * headDim] as const
  const offsets = [0, widths[0], widths[0] + widths[1]] as const
  const values = fused ? naive.matrix(b.operand('qkv', naive.sum(widths)), naive.sum(widths)) : undefined
  const one = (i: 0 | 1 | 2) => {
    const width = widths[i]
    if (values) {
      const slice = { buffer: 'qkv', offset: offsets[i], width }
      return { slice, rows: values.map((row) => row.slice(offsets[i], offsets[i] + width)) }
    }
    const name = ['q', 'k', 'v'][i]!
    return { slice: { buffer: name, offset: 0, width }, rows: naive.matrix(b.operand(name, width), width) }
  }
  const [q, k, v] = [one(0), one(1), one(2)]
  return { q: q.rows, k: k.rows, v: v.rows, slices: { q: q.slice, k: k.slice, v: v.slice } }
}

function declareRotary(b: CaseBuilder, form: AttentionForm): Rotary {
  const { dim, pairs, scale = 1 } = form.rotary!
  b.vector('frequencies', [dim / 2], Float32Array.from(frequenciesAt(form, 0)))
  const original = form.dynamicFrom
  const dynamic = original && { theta: THETA, factor: FACTOR, original, lengths: b.input('rotary-lengths') }
  return { dim, pairs, scale, frequencies: 'frequencies', ...(dynamic && { dynamic }) }
}

/** In float32, as the program stores them. */
function frequenciesAt({ rotary, dynamicFrom = Number.POSITIVE_INFINITY }: AttentionForm, length: number): number[] {
  const { dim } = rotary!
  const growth = length > dynamicFrom ? (FACTOR * length) / dynamicFrom - (FACTOR - 1) : 1
  const base = THETA * growth ** (dim / (dim - 2))
  return Array.from({ length: dim / 2 }, (_, i) => Math.fround(base ** ((-2 * i) / dim)))
}

/** Tokens of a sequence's first step. */
function promptLength({ schedule }: AttentionForm, sequence: number): number {
  const first = schedule.flatMap(({ adds }) => adds).find(([s]) => s === sequence)!
  return first[1]
}

/** Blocks scattered over the cache, given to sequences as they grow. */
function placeSequences(form: AttentionForm, b: CaseBuilder) {
  const { blockSize } = b.storage
  const most = form.schedule.reduce((n, { adds, forks = [] }) => {
    return n + forks.length + naive.sum(adds.map(([, count]) => Math.ceil(count / blockSize) + 1))
  }, 0)
  const free = b.random.shuffle(Array.from({ length: most }, (_, i) => i))
  const tables = new Map<number, { blocks: number[]; length: number }>()
  const steps = form.schedule.map(({ adds, forks = [] }) => {
    const copies = forks.flatMap(([from, to]) => {
      const { blocks, length } = tables.get(from)!
      const isShared = length % blockSize === 0
      const last = isShared ? [] : [free.pop()!]
      tables.set(to, { blocks: [...blocks.slice(0, Math.floor(length / blockSize)), ...last], length })
      return isShared ? [] : [blocks.at(-1)!, last[0]!]
    })
    const parts = adds.map(([sequence, count]): Part => {
      const table = tables.get(sequence) ?? { blocks: [], length: 0 }
      tables.set(sequence, table)
      const cached = table.length
      table.length += count
      while (table.blocks.length * blockSize < table.length) table.blocks.push(free.pop()!)
      return { count, cached, blocks: [...table.blocks], promptLength: promptLength(form, sequence) }
    })
    return { parts, copies }
  })
  return { blocks: most, steps }
}

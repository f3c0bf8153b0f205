/**
 * Byte-pair encoding of one pre-token (Sennrich et al. 2016; byte fallback and unknown tokens as in Hugging Face
 * tokenizers 0.23, `models/bpe`). Ours and not the library's, because @huggingface/tokenizers joins strings to look
 * a pair up: on a SentencePiece-style model, where a whole text is one word, it needs 10 s for 1 MB where this needs 0.6 s.
 * A word of n symbols costs O(n log n), so a megabyte without a space is no way to stall the process.
 */
import { MergeTable } from './merge-table.js'

export interface BpeSpec {
  vocabulary: ReadonlyMap<string, number>
  /** Ids of two tokens and of their joint, merge after merge, most important first. */
  merges: Int32Array
  unknownToken?: string
  /** One unknown token for a run of unknown characters. */
  fuseUnknown?: boolean
  /** Characters outside of the vocabulary become the tokens `<0x00>` to `<0xFF>` of their UTF-8 bytes. */
  byteFallback?: boolean
  /** A word that is itself a token is that token, whatever the merges say. */
  ignoreMerges?: boolean
  continuingPrefix?: string
  endOfWordSuffix?: string
  /** Tokens that must not come out: no merge makes them. */
  forbidden?: ReadonlySet<number>
}

const LONGEST_CACHED_WORD = 64
const CACHED_WORDS = 1 << 16
/** Up to this many symbols, scanning for the best pair beats keeping a heap. */
const LONGEST_SCANNED_WORD = 24
const POSITION_RANGE = 2 ** 26

export class Bpe {
  readonly #vocabulary: ReadonlyMap<string, number>
  readonly #merges: MergeTable
  readonly #characters = new Int32Array(0x10000).fill(-1)
  readonly #bytes: Int32Array | undefined
  readonly #unknown: number | undefined
  readonly #fuseUnknown: boolean
  readonly #ignoreMerges: boolean
  readonly #prefix: string
  readonly #suffix: string
  readonly #forbidden: ReadonlySet<number>
  readonly #cache = new Map<string, Int32Array>()

  #symbols = new Int32Array(256)
  #count = 0

  constructor(spec: BpeSpec) {
    this.#vocabulary = spec.vocabulary
    this.#prefix = spec.continuingPrefix ?? ''
    this.#suffix = spec.endOfWordSuffix ?? ''
    this.#fuseUnknown = spec.fuseUnknown ?? false
    this.#ignoreMerges = spec.ignoreMerges ?? false
    this.#forbidden = spec.forbidden ?? new Set()
    this.#unknown = spec.unknownToken === undefined ? undefined : spec.vocabulary.get(spec.unknownToken)
    this.#bytes = spec.byteFallback ? byteTokens(spec.vocabulary) : undefined
    for (const [token, id] of spec.vocabulary) if (token.length === 1) this.#characters[token.charCodeAt(0)] = id
    this.#merges = new MergeTable(spec.merges, this.#forbidden)
  }

  /** Appends the tokens of `word` to `out`. */
  encode(word: string, out: number[]): void {
    if (word.length === 0) return
    if (this.#ignoreMerges) {
      const whole = this.#vocabulary.get(word)
      if (whole !== undefined && !this.#forbidden.has(whole)) {
        out.push(whole)
        return
      }
    }
    const cached = this.#cache.get(word)
    if (cached !== undefined) {
      for (let i = 0; i < cached.length; i++) out.push(cached[i]!)
      return
    }
    this.#split(word)
    if (this.#count <= LONGEST_SCANNED_WORD) this.#mergeByScan()
    else this.#mergeByHeap()
    for (let i = 0; i < this.#count; i++) out.push(this.#symbols[i]!)
    if (word.length <= LONGEST_CACHED_WORD) {
      if (this.#cache.size >= CACHED_WORDS) this.#cache.clear()
      this.#cache.set(word, this.#symbols.slice(0, this.#count))
    }
  }

  /** Fills `#symbols` with the tokens of single characters. */
  #split(word: string): void {
    if (this.#symbols.length < 3 * word.length) this.#symbols = new Int32Array(3 * word.length)
    this.#count = 0
    let unknownPending = false
    for (let i = 0; i < word.length; ) {
      const code = word.codePointAt(i)!
      const width = code > 0xffff ? 2 : 1
      const id = this.#idOfCharacter(word, i, width)
      if (id >= 0) {
        if (unknownPending) this.#symbols[this.#count++] = this.#unknown!
        unknownPending = false
        this.#symbols[this.#count++] = id
      } else if (this.#bytes !== undefined && utf8(code).every((byte) => this.#bytes![byte]! >= 0)) {
        for (const byte of utf8(code)) this.#symbols[this.#count++] = this.#bytes[byte]!
      } else if (this.#unknown !== undefined) {
        if (unknownPending && !this.#fuseUnknown) this.#symbols[this.#count++] = this.#unknown
        unknownPending = true
      }
      i += width
    }
    if (unknownPending) this.#symbols[this.#count++] = this.#unknown!
  }

  #idOfCharacter(word: string, start: number, width: number): number {
    const end = start + width
    const prefix = start > 0 ? this.#prefix : ''
    const suffix = end === word.length ? this.#suffix : ''
    if (width === 1 && prefix === '' && suffix === '') return this.#characters[word.charCodeAt(start)]!
    return this.#vocabulary.get(prefix + word.slice(start, end) + suffix) ?? -1
  }

  #mergeByScan(): void {
    const symbols = this.#symbols
    for (;;) {
      let best = -1
      let bestRank = Number.POSITIVE_INFINITY
      for (let i = 0; i + 1 < this.#count; i++) {
        const rank = this.#merges.rank(symbols[i]!, symbols[i + 1]!)
        if (rank >= 0 && rank < bestRank) {
          best = i
          bestRank = rank
        }
      }
      if (best < 0) return
      symbols[best] = this.#merges.result(symbols[best]!, symbols[best + 1]!)
      symbols.copyWithin(best + 1, best + 2, this.#count)
      this.#count--
    }
  }

  /**
   * The same order of merges from a heap of (rank, position). An entry is stale when the pair at its position has got
   * another rank since; `pairRank` knows.
   */
  #mergeByHeap(): void {
    const symbols = this.#symbols
    const count = this.#count
    const next = new Int32Array(count)
    const previous = new Int32Array(count)
    const pairRank = new Int32Array(count).fill(-1)
    const heap = new MinHeap(3 * count)
    const consider = (left: number) => {
      const right = next[left]!
      const rank = right < count ? this.#merges.rank(symbols[left]!, symbols[right]!) : -1
      pairRank[left] = rank
      if (rank >= 0) heap.push(rank * POSITION_RANGE + left)
    }
    for (let i = 0; i < count; i++) {
      next[i] = i + 1
      previous[i] = i - 1
    }
    for (let i = 0; i + 1 < count; i++) consider(i)
    while (heap.size > 0) {
      const entry = heap.pop()
      const left = entry % POSITION_RANGE
      if (pairRank[left] !== (entry - left) / POSITION_RANGE) continue
      const right = next[left]!
      symbols[left] = this.#merges.result(symbols[left]!, symbols[right]!)
      pairRank[right] = -1
      next[left] = next[right]!
      if (next[left]! < count) previous[next[left]!] = left
      consider(left)
      if (previous[left]! >= 0) consider(previous[left]!)
    }
    let kept = 0
    for (let i = 0; i < count; i = next[i]!) symbols[kept++] = symbols[i]!
    this.#count = kept
  }
}

/** The ids of `<0x00>` to `<0xFF>`, -1 where the vocabulary has none. */
function byteTokens(vocabulary: ReadonlyMap<string, number>): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    return vocabulary.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`) ?? -1
  })
}

function utf8(code: number): number[] {
  if (code < 0x80) return [code]
  if (code < 0x800) return [0xc0 | (code >> 6), 0x80 | (code & 63)]
  if (code < 0x10000) return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]
  return [0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]
}

/** A binary heap of doubles. It never holds more entries than its capacity: each merge adds at most two and takes one. */
class MinHeap {
  readonly #items: Float64Array
  size = 0

  constructor(capacity: number) {
    this.#items = new Float64Array(capacity)
  }

  push(item: number): void {
    const items = this.#items
    let hole = this.size++
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      if (items[parent]! <= item) break
      items[hole] = items[parent]!
      hole = parent
    }
    items[hole] = item
  }

  pop(): number {
    const items = this.#items
    const top = items[0]!
    const last = items[--this.size]!
    let hole = 0
    for (;;) {
      let child = 2 * hole + 1
      if (child >= this.size) break
      if (child + 1 < this.size && items[child + 1]! < items[child]!) child++
      if (items[child]! >= last) break
      items[hole] = items[child]!
      hole = child
    }
    items[hole] = last
    return top
  }
}

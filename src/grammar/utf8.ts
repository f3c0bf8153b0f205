import { intersectRanges, type Range } from './expression.js'

/** A character's bytes, each within a range: [low, high] for each byte. */
export type ByteSequence = readonly Range[]

/** Lengths of UTF-8 begin at these code points; surrogates have no encoding. */
const SPANS: readonly { readonly range: Range; readonly bytes: number }[] = [
  { range: [0, 0x7f], bytes: 1 },
  { range: [0x80, 0x7ff], bytes: 2 },
  { range: [0x800, 0xd7ff], bytes: 3 },
  { range: [0xe000, 0xffff], bytes: 3 },
  { range: [0x10000, 0x10ffff], bytes: 4 },
]

/** Sequences of byte ranges that together are exactly the UTF-8 of the code points (Russ Cox's construction, as in RE2). */
export function byteSequences(ranges: readonly Range[]): ByteSequence[] {
  const found: ByteSequence[] = []
  for (const { range, bytes } of SPANS) {
    for (const [low, high] of intersectRanges(ranges, [range])) split(low, high, bytes, found)
  }
  return found
}

/** Cuts where a leading byte changes, so that what is left is a product of byte ranges. */
function split(low: number, high: number, bytes: number, found: ByteSequence[]): void {
  for (let i = 1; i < bytes; i++) {
    const mask = 2 ** (6 * i) - 1
    if (Math.floor(low / (mask + 1)) === Math.floor(high / (mask + 1))) continue
    if (low % (mask + 1) !== 0) {
      const middle = low - (low % (mask + 1)) + mask
      split(low, middle, bytes, found)
      split(middle + 1, high, bytes, found)
      return
    }
    if (high % (mask + 1) !== mask) {
      const middle = high - (high % (mask + 1)) - 1
      split(low, middle, bytes, found)
      split(middle + 1, high, bytes, found)
      return
    }
  }
  const [first, last] = [encode(low), encode(high)]
  found.push(first.map((byte, i) => [byte, last[i]!] as const))
}

function encode(code: number): number[] {
  return [...new TextEncoder().encode(String.fromCodePoint(code))]
}

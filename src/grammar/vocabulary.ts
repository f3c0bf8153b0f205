/**
 * A vocabulary's tokens as a tree of their bytes, laid out in the order of a walk: a node's subtree is the stretch up to
 * `skips[node]`. Plain data, so that it may be sent to the engine. Node 0 is the root.
 */
export interface Vocabulary {
  /** Of the model's logits: ids are below this. */
  readonly size: number
  /** Longest token, in bytes. */
  readonly longest: number
  /** Of each node: its byte, its depth, where its subtree ends, and the last token that ends here (-1: none). */
  readonly bytes: Uint8Array
  readonly depths: Uint8Array
  readonly skips: Int32Array
  readonly tokens: Int32Array
  /** Of each token: another one of the same bytes, or -1. */
  readonly alike: Int32Array
  /** All tokens' bytes, one behind the other; token i's begin at `starts[i]`. */
  readonly text: Uint8Array
  readonly starts: Int32Array
}

/** Longer tokens are never allowed. */
const LONGEST_TOKEN = 255

/**
 * `tokenBytes[id]`: what the token adds to a text; undefined for control tokens and ids without a token. `size`: how many ids
 * the model has.
 */
export function buildVocabulary(tokenBytes: readonly (Uint8Array | undefined)[], size: number): Vocabulary {
  const usable = (bytes: Uint8Array | undefined) => bytes && bytes.length > 0 && bytes.length <= LONGEST_TOKEN
  // A character a byte: JavaScript sorts strings natively.
  const sorted: { readonly key: string; readonly id: number }[] = []
  const starts = new Int32Array(size + 1)
  for (let id = 0; id < size; id++) {
    const bytes = tokenBytes[id]
    const kept = usable(bytes) ? bytes! : undefined
    if (kept) sorted.push({ key: latin1(kept), id })
    starts[id + 1] = starts[id]! + (kept?.length ?? 0)
  }
  sorted.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.id - b.id))
  const text = new Uint8Array(starts[size]!)
  for (const { id } of sorted) text.set(tokenBytes[id]!, starts[id]!)
  return { size, text, starts, ...layOut(sorted, size) }
}

function layOut(sorted: readonly { readonly key: string; readonly id: number }[], size: number) {
  const bytes: number[] = [0]
  const depths: number[] = [0]
  const tokens: number[] = [-1]
  const skips: number[] = [0]
  const alike = new Int32Array(size).fill(-1)
  const path: number[] = [0]
  let longest = 0
  let previous = ''
  for (const { key, id } of sorted) {
    let common = 0
    while (common < previous.length && key.charCodeAt(common) === previous.charCodeAt(common)) common++
    while (path.length > common + 1) skips[path.pop()!] = bytes.length
    for (let i = common; i < key.length; i++) {
      path.push(bytes.length)
      bytes.push(key.charCodeAt(i))
      depths.push(i + 1)
      tokens.push(-1)
      skips.push(0)
    }
    const node = path.at(-1)!
    alike[id] = tokens[node]!
    tokens[node] = id
    longest = Math.max(longest, key.length)
    previous = key
  }
  for (const node of path) skips[node] = bytes.length
  return {
    longest,
    bytes: Uint8Array.from(bytes),
    depths: Uint8Array.from(depths),
    skips: Int32Array.from(skips),
    tokens: Int32Array.from(tokens),
    alike,
  }
}

export function bytesOfToken({ text, starts }: Vocabulary, id: number): Uint8Array {
  return text.subarray(starts[id]!, starts[id + 1]!)
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

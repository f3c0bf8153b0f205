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
  // A character a byte: JavaScript compares strings natively.
  const idsByText = new Map<string, number>()
  const alike = new Int32Array(size).fill(-1)
  const starts = new Int32Array(size + 1)
  for (let id = 0; id < size; id++) {
    const bytes = tokenBytes[id]
    const length = bytes !== undefined && bytes.length <= LONGEST_TOKEN ? bytes.length : 0
    starts[id + 1] = starts[id]! + length
    if (length === 0) continue
    const key = latin1(bytes!)
    alike[id] = idsByText.get(key) ?? -1
    idsByText.set(key, id)
  }
  const text = new Uint8Array(starts[size]!)
  for (let id = 0; id < size; id++) if (starts[id + 1]! > starts[id]!) text.set(tokenBytes[id]!, starts[id]!)
  return { size, text, starts, alike, ...layOut(idsByText) }
}

function layOut(idsByText: ReadonlyMap<string, number>) {
  const sorted = [...idsByText.keys()].sort()
  const most = 1 + sorted.reduce((sum, key) => sum + key.length, 0)
  const bytes = new Uint8Array(most)
  const depths = new Uint8Array(most)
  const tokens = new Int32Array(most).fill(-1)
  const skips = new Int32Array(most)
  const path = [0]
  let nodes = 1
  let previous = ''
  for (const key of sorted) {
    let common = 0
    while (common < previous.length && key.charCodeAt(common) === previous.charCodeAt(common)) common++
    while (path.length > common + 1) skips[path.pop()!] = nodes
    for (let i = common; i < key.length; i++) {
      path.push(nodes)
      bytes[nodes] = key.charCodeAt(i)
      depths[nodes++] = i + 1
    }
    tokens[path.at(-1)!] = idsByText.get(key)!
    previous = key
  }
  for (const node of path) skips[node] = nodes
  return {
    longest: sorted.reduce((longest, key) => Math.max(longest, key.length), 0),
    bytes: bytes.slice(0, nodes),
    depths: depths.slice(0, nodes),
    tokens: tokens.slice(0, nodes),
    skips: skips.slice(0, nodes),
  }
}

export function bytesOfToken({ text, starts }: Vocabulary, id: number): Uint8Array {
  return text.subarray(starts[id]!, starts[id + 1]!)
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

import type { SamplingRow } from '../../../program/step.js'

/** Tokens that may not be chosen: suppressed ones and, before the minimum length, end tokens. */
export function banTokens(logits: Float32Array, { banned }: SamplingRow): void {
  for (const id of banned) logits[id] = -Infinity
}

/** Tokens that the row's mask leaves out: see `SamplingRow.allowed`. */
export function banUnmasked(logits: Float32Array, { allowed }: SamplingRow): void {
  if (allowed === undefined) return
  for (let word = 0; word < allowed.length; word++) {
    const bits = allowed[word]!
    if (bits === 0xffffffff) continue
    const end = Math.min(32 * word + 32, logits.length)
    for (let id = 32 * word; id < end; id++) if (((bits >>> (id & 31)) & 1) === 0) logits[id] = -Infinity
  }
}

/** Bad words (transformers' `bad_words_ids`): where the history ends with all of a word but its last token, that is banned. */
export function banBadWords(logits: Float32Array, { history, badWords }: SamplingRow): void {
  for (const word of badWords) {
    const stem = word.length - 1
    if (occursAt(history, history.length - stem, word, stem)) logits[word[stem]!] = -Infinity
  }
}

/**
 * Repeated n-grams (transformers' `no_repeat_ngram_size`): where the last n - 1 tokens of prompt and output stood before,
 * the token that followed them there is banned.
 */
export function banRepeatedNgrams(logits: Float32Array, { history, noRepeatNgram }: SamplingRow): void {
  if (noRepeatNgram === 0 || history.length < noRepeatNgram) return
  const stem = noRepeatNgram - 1
  const suffix = history.subarray(history.length - stem)
  for (let start = 0; start + stem < history.length; start++) {
    const next = history[start + stem]!
    if (next >= 0 && occursAt(history, start, suffix, stem)) logits[next] = -Infinity
  }
}

/** Whether the first `length` of `tokens` stand in `history` from `start`; a soft prompt's row (-1) is like nothing else. */
function occursAt(history: Int32Array, start: number, tokens: ArrayLike<number>, length: number): boolean {
  for (let i = 0; i < length; i++) {
    if (history[start + i] !== tokens[i] || tokens[i]! < 0) return false
  }
  return true
}

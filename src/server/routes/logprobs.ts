import type { TokenLogprob } from '../../index.js'

type Entry = { readonly tokenId: number; readonly token: string; readonly logprob: number }

/** How a token is written: as its text, or (`return_tokens_as_token_ids`) as an unambiguous `token_id:5`. */
export type TokenName = (entry: { readonly tokenId: number; readonly token: string }) => string

export function tokenNames(asIds: boolean | undefined): TokenName {
  return asIds ? ({ tokenId }) => `token_id:${tokenId}` : ({ token }) => token
}

/** The `logprobs` of completions: columns, with each token's offset in characters from `offset` on. */
export function completionLogprobs(
  entries: readonly (TokenLogprob | Unpredicted)[],
  nameOf: TokenName,
  offset: number,
): object {
  const offsets: number[] = []
  let at = offset
  for (const { token } of entries) {
    offsets.push(at)
    at += token.length
  }
  return {
    text_offset: offsets,
    token_logprobs: entries.map((entry) => ('logprob' in entry ? entry.logprob : null)),
    tokens: entries.map(nameOf),
    top_logprobs: entries.map((entry) => ('logprob' in entry ? topTable(entry, nameOf) : null)),
  }
}

/** A prompt's first token, which nothing predicts. */
export interface Unpredicted {
  readonly tokenId: number
  readonly token: string
}

/** The likeliest tokens, and the one that was taken. */
function topTable(entry: TokenLogprob, nameOf: TokenName): Record<string, number> {
  return Object.fromEntries([...entry.top, entry].map((each) => [nameOf(each), each.logprob]))
}

/** The `logprobs` of chats. */
export function chatLogprobs(entries: readonly TokenLogprob[], nameOf: TokenName): object {
  const content = entries.map((entry) => ({
    ...describe(entry, nameOf),
    top_logprobs: entry.top.map((each) => describe(each, nameOf)),
  }))
  return { content, refusal: null }
}

function describe(entry: Entry, nameOf: TokenName): object {
  const { token, logprob } = entry
  // Part of a character has no text, and its bytes are not told apart here.
  const bytes = token.includes('\ufffd') ? null : [...Buffer.from(token)]
  return { token: nameOf(entry), logprob, bytes }
}

/** vLLM's `prompt_logprobs`: for each prompt token, what was likely there, by token id. */
export function promptLogprobs(entries: readonly (TokenLogprob | undefined)[]): object {
  return entries.map((entry) => {
    if (!entry) return null
    const ranked = entry.top.map((each, i) => ({ ...each, rank: i + 1 }))
    return Object.fromEntries(
      [...ranked, entry].map(({ tokenId, token, logprob, rank }) => [tokenId, { logprob, rank, decoded_token: token }]),
    )
  })
}

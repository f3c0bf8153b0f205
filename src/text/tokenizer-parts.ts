/** What a tokenizer is made of, from its checked files. */
import type { AddedToken } from './added-tokens.js'
import type { BpeSpec } from './bpe.js'
import type { DecoderStage } from './decoders.js'
import { replaceStream } from './literal-replacer.js'
import { readAddedTokensDecoder, type SpecialTokens, type TokenizerConfig } from './tokenizer-config.js'
import { invalidTokenizer, readMerges, readVocabulary, type TokenizerJson, unsupported } from './tokenizer-json.js'

/** The byte-pair encoding that `tokenizer.json` describes. */
export function readModel(json: TokenizerJson): BpeSpec {
  const { model } = json
  const type = model.type ?? (Array.isArray(model.merges) ? 'BPE' : 'unnamed')
  if (type !== 'BPE') throw unsupported('model', type, ['BPE'])
  const vocabulary = readVocabulary(model.vocab)
  if (vocabulary.size === 0) throw invalidTokenizer('model.vocab is empty')
  const continuingPrefix = model.continuing_subword_prefix ?? ''
  return {
    vocabulary,
    merges: readMerges(model.merges, vocabulary, continuingPrefix),
    unknownToken: model.unk_token ?? undefined,
    fuseUnknown: model.fuse_unk ?? false,
    byteFallback: model.byte_fallback ?? false,
    ignoreMerges: model.ignore_merges ?? false,
    continuingPrefix,
    endOfWordSuffix: model.end_of_word_suffix ?? '',
  }
}

/** Tokens of `tokenizer.json`, then of the config, then the named ones, which are control tokens wherever they stand. */
export function collectAddedTokens(
  json: TokenizerJson,
  config: TokenizerConfig,
  specials: SpecialTokens,
  vocabulary: ReadonlyMap<string, number>,
): AddedToken[] {
  const tokens = new Map<string, AddedToken>()
  for (const added of [...(json.added_tokens ?? []), ...readAddedTokensDecoder(config)]) {
    if (tokens.has(added.content)) continue
    const special = added.special ?? false
    tokens.set(added.content, {
      id: vocabulary.get(added.content) ?? added.id,
      content: added.content,
      special,
      singleWord: added.single_word ?? false,
      stripLeft: added.lstrip ?? false,
      stripRight: added.rstrip ?? false,
      normalized: added.normalized ?? !special,
    })
  }
  for (const content of [...Object.values(specials.named), ...specials.additional]) {
    const id = vocabulary.get(content)
    const known = tokens.get(content)
    if (known !== undefined) {
      known.special = true
    } else if (id !== undefined && content !== '') {
      const flags = { singleWord: false, stripLeft: false, stripRight: false, normalized: false }
      tokens.set(content, { id, content, special: true, ...flags })
    }
  }
  return [...tokens.values()].sort((a, b) => a.id - b.id)
}

/** Whether byte-pair encoding alone could come to one of the tokens. */
export function makesAny(spec: BpeSpec, ids: ReadonlySet<number>): boolean {
  const prefix = spec.continuingPrefix?.length ?? 0
  if (spec.merges.some(([left, right]) => ids.has(spec.vocabulary.get(left + right.slice(prefix))!))) return true
  return spec.ignoreMerges === true && [...spec.vocabulary.values()].some((id) => ids.has(id))
}

/** The spaces before punctuation that transformers removes for a BPE tokenizer only where this flag insists on it. */
export function cleanUp(config: TokenizerConfig): DecoderStage[] {
  if (!config.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output) return []
  const pairs = [' .', ' ?', ' !', ' ,', " ' ", " n't", " 'm", " 's", " 've", " 're"].map((text) => [text, text.trim()])
  return pairs.map(([sought, content]) => ({ joins: true, attach: (next) => replaceStream(sought!, content!, next) }))
}

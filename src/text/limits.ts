/** What a checkpoint's text files may hold. Far above every real one; a hostile file must not exhaust the machine. */
export const MAX_TOKENIZER_BYTES = 128 * 2 ** 20
export const MAX_CONFIG_BYTES = 8 * 2 ** 20
export const MAX_TEMPLATE_LENGTH = 2 ** 19
export const MAX_TOKEN_ID = 2 ** 24 - 1
export const MAX_TOKEN_LENGTH = 2 ** 16
export const MAX_ADDED_TOKENS = 2 ** 16
export const MAX_ADDED_TOKEN_LENGTH = 1024
export const MAX_PATTERN_LENGTH = 2 ** 14
/** Characters of all added tokens together. */
export const MAX_ADDED_TOKEN_TEXT = 2 ** 22
/** Parts of a normalizer, pre-tokenizer, decoder or post-processor, at any depth. */
export const MAX_STAGES = 64
/** How many times longer than its token a decoded text may be. */
export const MAX_DECODED_GROWTH = 256

/** The longest text that is encoded at once, in UTF-16 units: more than any context holds. */
export const MAX_TEXT_LENGTH = 2 ** 23

/** The longest that a text may become on its way to tokens: as bytes, each of them a character. */
export const MAX_WORKING_LENGTH = 3 * MAX_TEXT_LENGTH + 2 ** 16

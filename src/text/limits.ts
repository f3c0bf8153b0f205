/** What a checkpoint's text files may hold. Far above every real one; a hostile file must not exhaust the machine. */
export const MAX_TOKENIZER_BYTES = 128 * 2 ** 20
export const MAX_CONFIG_BYTES = 8 * 2 ** 20
export const MAX_TEMPLATE_LENGTH = 2 ** 19
export const MAX_TOKEN_ID = 2 ** 24 - 1
export const MAX_TOKEN_LENGTH = 2 ** 16
export const MAX_ADDED_TOKENS = 2 ** 16
export const MAX_ADDED_TOKEN_LENGTH = 1024
export const MAX_PATTERN_LENGTH = 2 ** 14

/** The longest text that is encoded at once, in UTF-16 units: more than any context holds. */
export const MAX_TEXT_LENGTH = 2 ** 23

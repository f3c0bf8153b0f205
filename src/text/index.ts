/** Text in and out: tokenizer, incremental detokenizer, stop strings and chat templates. */

export type { ChatMessageLike, ChatPromptOptions } from './chat-template.js'
export { chatTemplateSource, encodeChatPrompt, renderChatPrompt } from './chat-template.js'
export type { DecodeOptions } from './detokenizer.js'
export { Detokenizer } from './detokenizer.js'
export type { StopStringsOptions, StopStringsPart } from './stop-strings.js'
export { StopStrings } from './stop-strings.js'
export { type TokenBytes, tokenBytesOf } from './token-bytes.js'
export type { EncodeOptions } from './tokenizer.js'
export { Tokenizer } from './tokenizer.js'
export { missingTokenizer } from './tokenizer-files.js'

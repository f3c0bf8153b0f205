/** What an assistant's text is made of: reasoning, an answer, calls of tools; and how calls are written. */
export { type CallableTool, callGrammar } from './call-grammar.js'
export type { OutputEvent, OutputReader } from './events.js'
export {
  type ChatMarks,
  reasoningMarks,
  TOOL_FORMATS,
  type ToolFormat,
  type ToolFormatName,
  toolFormat,
  toolReader,
} from './formats.js'
export { AssistantReader } from './output-reader.js'
export { REASONING_MARKS, type ReasoningMarks, ReasoningReader } from './reasoning.js'

/**
 * Warpline runs GPT models as fast as the hardware allows. Everything that a program imports is here.
 *
 * @packageDocumentation
 */

export type { ReasoningMarks, ToolFormatName } from './chat/index.js'
export type { EngineStats } from './engine/engine.js'
export { ERROR_CODES, type ErrorCode } from './error-codes.js'
export { isWarplineError, WarplineError } from './errors.js'
export { type Patience, type PullOptions, type PullProgress, pull } from './hub/index.js'
export { type BenchOptions, type BenchRow, benchModel } from './llm/bench-model.js'
export { BUNDLED_MODEL } from './llm/bundled.js'
export type { ChatMessage, ResponseFormat, Tool, ToolCall, ToolCallDelta, ToolChoice } from './llm/chat-types.js'
export { type Diagnosis, diagnose } from './llm/diagnose.js'
export { Generation } from './llm/generation.js'
export { type InspectedShape, inspectModel, type ModelReport } from './llm/inspect.js'
export { LLM, type ModelInfo } from './llm/llm.js'
export type {
  ChatOptions,
  GenerateOptions,
  LoadOptions,
  LoadProgress,
  Prompt,
  ScoreOptions,
  WeightType,
} from './llm/options.js'
export type { Choice, FinishReason, Part, Result, Score, Timing, TokenLogprob, Usage } from './llm/result.js'
export type { BufferKind, DataType, Dimension, SymbolicSize } from './program/buffer.js'
export type { Cost } from './program/cost.js'
export type { BufferReport, OperationReport } from './program/describe.js'
export { type DecodeOptions, type EncodeOptions, Tokenizer } from './text/index.js'

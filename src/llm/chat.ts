import { type ChatMarks, type ReasoningMarks, reasoningMarks, type ToolFormat, toolFormat } from '../chat/index.js'
import { isWarplineError, WarplineError } from '../errors.js'
import { chatTemplateSource, encodeChatPrompt, type Tokenizer } from '../text/index.js'
import type { ChatMessage, Tool } from './chat-types.js'
import { checkMessages, templateMessages } from './messages.js'
import type { ChatOptions } from './options.js'
import { planTools, type ToolPlan } from './tools.js'

/** A prompt's end that may open the reasoning: so many tokens are looked at. */
const PROMPT_END = 16

/** How a conversation is put to the model and its answer read. */
export interface ChatPlan {
  readonly ids: number[]
  readonly tools: ToolPlan | undefined
  readonly toolFormat: ToolFormat
  readonly reasoning: ReasoningPlan | undefined
}

export interface ReasoningPlan {
  readonly marks: ReasoningMarks
  /** The prompt ends within it. */
  readonly opened: boolean
}

/** Errors: `chat-invalid`, `tokenizer-missing`, `option-invalid`, `option-unsupported`, those of chat templates. */
export function planChat(
  tokenizer: Tokenizer | undefined,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): ChatPlan {
  checkMessages(messages)
  if (!tokenizer) throw new WarplineError('tokenizer-missing', 'this model has no tokenizer.json; a chat needs one')
  const tools = planTools(options)
  const template = chatTemplateSource(tokenizer, { tools: tools?.tools })
  if (tools && !template.includes('tools')) {
    throw new WarplineError(
      'option-unsupported',
      'the chat template of this model does not show tools; leave tools out',
    )
  }
  const marks: ChatMarks = { template, hasToken: (spelling) => tokenizer.idOf(spelling) !== undefined }
  const ids = encode(tokenizer, messages, tools?.tools, options)
  const asked = options.toolFormat === 'auto' ? undefined : options.toolFormat
  return { ids, tools, toolFormat: toolFormat(asked, marks), reasoning: planReasoning(tokenizer, ids, marks, options) }
}

/** Templates take a call's arguments as data; some write them as they are and want text. */
function encode(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  tools: readonly Tool[] | undefined,
  { templateVariables: variables }: ChatOptions,
): number[] {
  const asData = templateMessages(messages)
  try {
    return encodeChatPrompt(tokenizer, asData, { tools, variables, addGenerationPrompt: true })
  } catch (error) {
    const callsBefore = messages.some((message) => message.tool_calls !== undefined)
    if (!callsBefore || !isWarplineError(error) || error.code !== 'chat-template-failed') throw error
    return encodeChatPrompt(tokenizer, messages, { tools, variables, addGenerationPrompt: true })
  }
}

function planReasoning(
  tokenizer: Tokenizer,
  ids: readonly number[],
  known: ChatMarks,
  { reasoningFormat = 'auto' }: ChatOptions,
): ReasoningPlan | undefined {
  if (reasoningFormat === 'none') return undefined
  const marks = reasoningFormat === 'auto' ? reasoningMarks(known) : reasoningFormat
  if (!marks) return undefined
  if (![marks.open, marks.close].every((mark) => /^[!-~]+$/.test(mark))) {
    throw new WarplineError(
      'option-invalid',
      'reasoningFormat: open and close must be of printable ASCII, without spaces',
    )
  }
  const end = tokenizer.decode(ids.slice(-PROMPT_END)).trimEnd()
  return { marks, opened: end.endsWith(marks.open) }
}

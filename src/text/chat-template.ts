/**
 * Chat templates: from messages to the text, or the token ids, that a model was trained to answer. What a template is
 * given is what transformers 5 gives it (`apply_chat_template`).
 */
import { WarplineError } from '../errors.js'
import { guardConversation, guardedTokens } from './chat-guard.js'
import { Template, TemplateRefusal } from './jinja/template.js'
import type { Tokenizer } from './tokenizer.js'

/** Plain data, as a template sees it: `role` and `content`, and whatever else the template reads. */
export type ChatMessageLike = object

export interface ChatPromptOptions {
  /** Functions that the model may call, as JSON schemas (`{ type: 'function', function: { name, ... } }`). */
  tools?: readonly object[]
  /** Documents to answer from, for templates that take them. */
  documents?: readonly object[]
  /** End with the header of the assistant's answer. Default: true. */
  addGenerationPrompt?: boolean
  /** More variables of the template (`enable_thinking`, `date_string`); they win over the tokenizer's own (`bos_token`). */
  variables?: Readonly<Record<string, unknown>>
  /** Which of several templates; by default `tool_use` where there are tools and it exists, else `default`. */
  template?: string
  /** What `strftime_now` tells the template. Default: the time of the call. */
  now?: Date
}

/**
 * The prompt's text. Errors: `chat-template-missing`, `chat-template-failed` (wrong syntax, what the template itself
 * refuses, messages it cannot handle).
 */
export function renderChatPrompt(
  tokenizer: Tokenizer,
  messages: readonly ChatMessageLike[],
  options: ChatPromptOptions = {},
): string {
  const { template } = chooseTemplate(tokenizer, options)
  return render(template, inputOf(tokenizer, messages, options), options.now ?? new Date())
}

/**
 * The prompt's token ids. Control tokens that the template writes are control tokens; the same characters within a message,
 * a tool or a document are only characters, so that nobody can end his turn and speak as another.
 */
export function encodeChatPrompt(
  tokenizer: Tokenizer,
  messages: readonly ChatMessageLike[],
  options: ChatPromptOptions = {},
): number[] {
  const { template, source } = chooseTemplate(tokenizer, options)
  const now = options.now ?? new Date()
  const input = inputOf(tokenizer, messages, options)
  const text = render(template, input, now)
  const guarded = guardedTokens(tokenizer.addedTokens, source)
  const barriers = guardConversation({
    text,
    input,
    source,
    guarded,
    render: (marked) => render(template, marked, now),
  })
  const ids = new Set(guarded.everywhere.map((token) => token.id))
  return tokenizer.encodeWithBarriers(text, barriers, ids)
}

/** The template that such a conversation is rendered by, as Jinja text. Errors: `chat-template-missing`, `chat-template-failed`. */
export function chatTemplateSource(tokenizer: Tokenizer, options: ChatPromptOptions = {}): string {
  return chooseTemplate(tokenizer, options).source
}

type Variables = Record<string, unknown>

function inputOf(tokenizer: Tokenizer, messages: readonly ChatMessageLike[], options: ChatPromptOptions): Variables {
  if (messages.length === 0) {
    throw new WarplineError('chat-template-failed', 'a conversation needs at least one message')
  }
  const { named, additional } = tokenizer.specialTokens
  return {
    ...named,
    ...(additional.length > 0 && { additional_special_tokens: additional }),
    messages,
    tools: options.tools ?? null,
    documents: options.documents ?? null,
    add_generation_prompt: options.addGenerationPrompt ?? true,
    ...options.variables,
  }
}

function render(template: Template, variables: Variables, now: Date): string {
  try {
    return template.render(variables, now)
  } catch (error) {
    if (error instanceof TemplateRefusal) {
      throw new WarplineError('chat-template-failed', `the chat template refuses the messages: ${short(error.message)}`)
    }
    const reason = error instanceof Error ? error.message : String(error)
    throw new WarplineError(
      'chat-template-failed',
      `the chat template cannot be rendered with these messages: ${short(reason)}; check that they have the fields it reads`,
      { cause: error },
    )
  }
}

interface CompiledTemplate {
  source: string
  template: Template
}

const compiled = new WeakMap<Tokenizer, Map<string, CompiledTemplate>>()

function chooseTemplate(tokenizer: Tokenizer, options: ChatPromptOptions): CompiledTemplate {
  const { chatTemplates } = tokenizer
  const names = [...chatTemplates.keys()]
  if (names.length === 0) {
    throw new WarplineError(
      'chat-template-missing',
      'this model has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json), so it was not trained ' +
        'to chat; generate from a plain prompt instead, or put a template there',
    )
  }
  const usual = options.tools !== undefined && chatTemplates.has('tool_use') ? 'tool_use' : 'default'
  const name = options.template ?? (names.length === 1 && !chatTemplates.has(usual) ? names[0]! : usual)
  const source = chatTemplates.get(name)
  if (source === undefined) {
    throw new WarplineError(
      'chat-template-missing',
      `there is no chat template ${name}; choose one of ${names.join(', ')}`,
    )
  }
  const known = compiled.get(tokenizer) ?? new Map<string, CompiledTemplate>()
  compiled.set(tokenizer, known)
  let entry = known.get(name)
  if (entry === undefined) {
    entry = { source, template: compile(source) }
    known.set(name, entry)
  }
  return entry
}

function compile(source: string): Template {
  try {
    return new Template(source)
  } catch (error) {
    throw new WarplineError(
      'chat-template-failed',
      `the chat template is not valid Jinja here: ${short((error as Error).message)}; correct chat_template in the checkpoint`,
      { cause: error },
    )
  }
}

/** A template's own words, or the library's, which quote it. */
function short(message: string): string {
  return message.length > 200 ? `${message.slice(0, 200)}…` : message
}

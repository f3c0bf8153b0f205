import type { OutputReader } from './events.js'
import { HERMES_OPEN, HermesReader } from './hermes.js'
import { Llama3Reader, PYTHON_TAG } from './llama3.js'
import { ARGS, MistralReader, TOOL_CALLS } from './mistral.js'
import { REASONING_MARKS, type ReasoningMarks } from './reasoning.js'

export type ToolFormatName = 'hermes' | 'llama3' | 'mistral'
export const TOOL_FORMATS = ['hermes', 'llama3', 'mistral'] as const satisfies readonly ToolFormatName[]

/** How a model writes calls. */
export interface ToolFormat {
  readonly name: ToolFormatName
  /** Mistral: each call is its name, [ARGS] and arguments, rather than all being a list. */
  readonly named: boolean
  /** Spellings that may be control tokens and have to be seen. */
  readonly marks: readonly string[]
}

/** What is known of a checkpoint. */
export interface ChatMarks {
  /** The chat template's source. */
  readonly template: string
  /** Whether the vocabulary has a token of this spelling. */
  readonly hasToken: (spelling: string) => boolean
}

/** The format that was asked for, or the one whose marks the template or, failing that, the vocabulary has; Hermes' by default. */
export function toolFormat(asked: ToolFormatName | undefined, { template, hasToken }: ChatMarks): ToolFormat {
  const name = asked ?? found((mark) => template.includes(mark)) ?? found(hasToken) ?? 'hermes'
  const named = name === 'mistral' && (template.includes(ARGS) || (template === '' && hasToken(ARGS)))
  return { name, named, marks: MARKS[name] }
}

const MARKS: Readonly<Record<ToolFormatName, readonly string[]>> = {
  hermes: [HERMES_OPEN, '</tool_call>'],
  llama3: [PYTHON_TAG],
  mistral: [TOOL_CALLS, ARGS, '[CALL_ID]'],
}

function found(has: (mark: string) => boolean): ToolFormatName | undefined {
  if (has(TOOL_CALLS)) return 'mistral'
  if (has(HERMES_OPEN)) return 'hermes'
  return has(PYTHON_TAG) ? 'llama3' : undefined
}

export function toolReader(format: ToolFormat, tools: readonly string[]): OutputReader {
  switch (format.name) {
    case 'hermes':
      return new HermesReader()
    case 'llama3':
      return new Llama3Reader(tools)
    case 'mistral':
      return new MistralReader()
  }
}

/** The marks that the template speaks of. */
export function reasoningMarks({ template }: ChatMarks): ReasoningMarks | undefined {
  return REASONING_MARKS.find(({ close }) => template.includes(close))
}

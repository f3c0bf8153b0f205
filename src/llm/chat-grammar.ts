import { callGrammar } from '../chat/index.js'
import {
  ANY_CHARACTER,
  anyValueRules,
  characters,
  choice,
  type Expression,
  type Grammar,
  optional,
  repeat,
  schemaExpression,
  sequence,
  text,
} from '../grammar/index.js'
import type { Tokenizer } from '../text/index.js'
import type { ChatPlan, ReasoningPlan } from './chat.js'
import type { Tool } from './chat-types.js'
import { type FormatOptions, formatGrammar } from './output-format.js'

const WHITE_SPACE = repeat(characters(' ', '\n'), 0, 4)

/** What a chat's answer must be, and a text that stands for it; undefined where any will do. */
export function chatGrammar(
  plan: ChatPlan,
  format: FormatOptions | undefined,
  tokenizer: Tokenizer,
): { readonly key: string; readonly grammar: () => Grammar } | undefined {
  const { tools, toolFormat, reasoning } = plan
  if (!format && !tools?.required) return undefined
  const mark = (spelling: string) => markOf(tokenizer, spelling)
  const calls = tools && { tools: tools.callable, several: tools.several, required: tools.required, toolFormat }
  return {
    key: JSON.stringify({ format, calls, reasoning }),
    grammar: () => {
      const { root, rules: given } = format ? formatGrammar(format) : { root: undefined, rules: anyValueRules() }
      const rules = new Map(given)
      const answers: Expression[] = root ? [root] : []
      if (tools && (tools.required || root)) {
        const callable = tools.callable.map((tool) => ({
          name: tool.function.name,
          parameters: parametersOf(tool, rules),
        }))
        const calling = callGrammar(toolFormat, callable, tools.several, mark)
        if (tools.required) answers.length = 0
        answers.push(calling)
      }
      return { root: afterReasoning(choice(...answers), reasoning, mark), rules }
    },
  }
}

function parametersOf({ function: { parameters } }: Tool, rules: Map<string, Expression>): Expression {
  const none = parameters === undefined || isEmptyObject(parameters)
  return none ? text('{}') : schemaExpression({ type: 'object', ...parameters }, rules)
}

/** A schema of an object without properties: calls have no arguments then. */
function isEmptyObject(schema: object): boolean {
  const { properties } = schema as { properties?: unknown }
  const says = Object.keys(schema).filter((keyword) => !['type', 'properties', 'required', '$schema'].includes(keyword))
  const open = says.some((keyword) => keyword !== 'additionalProperties')
  return !open && (properties === undefined || Object.keys(properties as object).length === 0)
}

/** Reasoning may come first, and has to be left before the answer. */
function afterReasoning(
  answer: Expression,
  reasoning: ReasoningPlan | undefined,
  mark: (spelling: string) => Expression,
): Expression {
  if (!reasoning) return answer
  const { open, close } = reasoning.marks
  const closing = mark(close)
  const inside: Expression =
    closing.kind === 'text' ? { kind: 'until', end: close } : sequence(repeat(ANY_CHARACTER, 0), closing)
  if (reasoning.opened) return sequence(inside, WHITE_SPACE, answer)
  return sequence(optional(sequence(mark(open), inside, WHITE_SPACE)), answer)
}

/** A control token, where the vocabulary has it as one, or its text. */
function markOf(tokenizer: Tokenizer, spelling: string): Expression {
  const id = tokenizer.idOf(spelling)
  return id !== undefined && tokenizer.isSpecial(id) ? { kind: 'token', id } : text(spelling)
}

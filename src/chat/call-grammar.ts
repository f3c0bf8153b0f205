import { choice, type Expression, repeat, sequence, text } from '../grammar/index.js'
import type { ToolFormat } from './formats.js'
import { HERMES_CLOSE, HERMES_OPEN } from './hermes.js'
import { ARGS, TOOL_CALLS } from './mistral.js'

/** A tool as a grammar needs it. */
export interface CallableTool {
  readonly name: string
  /** The texts that its arguments may be. */
  readonly parameters: Expression
}

/**
 * Texts that call the tools, written as the model's template writes them: one call, or several where that is wanted and the
 * format has a way. `mark`: a mark as the vocabulary has it, a control token or text.
 */
export function callGrammar(
  format: ToolFormat,
  tools: readonly CallableTool[],
  several: boolean,
  mark: (spelling: string) => Expression,
): Expression {
  const named = (key: string) =>
    choice(
      ...tools.map(({ name, parameters }) =>
        sequence(text(`{"name": ${JSON.stringify(name)}, "${key}": `), parameters, text('}')),
      ),
    )
  const listed = (call: Expression, separator: Expression) => {
    return several ? sequence(call, repeat(sequence(separator, call), 0)) : call
  }
  switch (format.name) {
    case 'hermes': {
      const call = sequence(mark(HERMES_OPEN), text('\n'), named('arguments'), text('\n'), mark(HERMES_CLOSE))
      return listed(call, text('\n'))
    }
    case 'llama3':
      return named('parameters')
    case 'mistral': {
      if (!format.named) return sequence(mark(TOOL_CALLS), text('['), listed(named('arguments'), text(', ')), text(']'))
      const call = choice(
        ...tools.map(({ name, parameters }) => sequence(mark(TOOL_CALLS), text(name), mark(ARGS), parameters)),
      )
      return listed(call, text(''))
    }
  }
}

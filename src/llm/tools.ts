import { WarplineError } from '../errors.js'
import type { Tool, ToolChoice } from './chat-types.js'
import type { ChatOptions } from './options.js'

const NAME = /^[A-Za-z0-9_.-]{1,64}$/

/** What a chat may call, and whether it has to. */
export interface ToolPlan {
  readonly tools: readonly Tool[]
  /** At least one of `callable` has to be called. */
  readonly required: boolean
  /** The tools, or the one that was named. */
  readonly callable: readonly Tool[]
  /** Whether one answer may call several. */
  readonly several: boolean
}

/** Undefined where nothing may be called. Errors: `option-invalid`. */
export function planTools({ tools, toolChoice, parallelToolCalls }: ChatOptions): ToolPlan | undefined {
  const choice = toolChoice ?? 'auto'
  if (tools === undefined || tools.length === 0) {
    if (choice === 'auto' || choice === 'none') return undefined
    throw new WarplineError('option-invalid', 'toolChoice asks for a call and there are no tools; give some')
  }
  const checked = tools.map(checkTool)
  const names = checked.map((tool) => tool.function.name)
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) throw new WarplineError('option-invalid', `tools: two are called ${twice}`)
  if (choice === 'none') return undefined
  const named = nameOf(choice)
  const callable = named === undefined ? checked : checked.filter((tool) => tool.function.name === named)
  if (callable.length === 0) {
    throw new WarplineError(
      'option-invalid',
      `toolChoice: there is no tool ${JSON.stringify(named)}; there are ${names.join(', ')}`,
    )
  }
  return {
    tools: checked,
    required: choice !== 'auto',
    callable,
    several: named === undefined && parallelToolCalls !== false,
  }
}

function checkTool(tool: Tool, i: number): Tool {
  const { name, parameters } = tool.function
  if (!NAME.test(name)) {
    throw new WarplineError('option-invalid', `tools[${i}]: a name has letters, digits, _, - and ., at most 64`)
  }
  if (
    parameters !== undefined &&
    (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters))
  ) {
    throw new WarplineError('option-invalid', `tools[${i}]: parameters must be a JSON schema`)
  }
  return tool
}

function nameOf(choice: ToolChoice): string | undefined {
  return typeof choice === 'object' ? choice.function.name : undefined
}

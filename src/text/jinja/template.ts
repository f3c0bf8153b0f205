/**
 * Jinja templates as transformers renders them (jinja2's ImmutableSandboxedEnvironment with `trim_blocks` and
 * `lstrip_blocks`). Parsing, scopes and statements are @huggingface/jinja's; values are printed, compared and cut as
 * Python does it, which the library leaves to JavaScript. A template comes with a checkpoint, so it runs within bounds.
 */
import * as library from '@huggingface/jinja'
import { spendItems, spendSteps, withBudget } from './budget.js'
import { rewriteEscapes } from './escapes.js'
import { type Node, PythonInterpreter } from './interpreter.js'
import { strftime } from './strftime.js'
import { Environment, str, toValue } from './values.js'

const { parse, tokenize } = library as unknown as {
  tokenize(source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }): unknown
  parse(tokens: unknown): Node
}

const MAX_RANGE = 100_000
/** A description of a time, or the reason of a refusal. */
const MAX_NOTE = 1000
const MAX_WHITE_SPACE = 4096

/** What `raise_exception` of a template said. */
export class TemplateRefusal extends Error {}

export class Template {
  readonly #program: Node
  readonly #printed = new Set<Node>()

  /** Throws whatever the library throws for wrong syntax. */
  constructor(source: string) {
    if (new RegExp(`\\s{${MAX_WHITE_SPACE}}`).test(source)) {
      throw new Error(`more than ${MAX_WHITE_SPACE} characters of white space in a row`)
    }
    this.#program = parse(tokenize(rewriteEscapes(source), { lstrip_blocks: true, trim_blocks: true }))
    collectPrinted(this.#program, this.#printed)
  }

  /** `now` is what `strftime_now` tells. */
  render(variables: Readonly<Record<string, unknown>>, now: Date): string {
    const scope = new Environment()
    for (const [name, value] of Object.entries({ ...globals(now), ...variables }))
      scope.setVariable(name, toValue(value))
    return withBudget(() => str(new PythonInterpreter(scope, this.#printed).run(this.#program)))
  }
}

function globals(now: Date) {
  return {
    ...{ true: true, false: false, none: null, True: true, False: false, None: null },
    range: pythonRange,
    strftime_now: (format: unknown) => {
      if (typeof format !== 'string' || format.length > MAX_NOTE) throw new Error('strftime_now needs a short text')
      spendSteps(format.length)
      return strftime(now, format)
    },
    raise_exception: (message: unknown) => {
      const said = typeof message === 'object' && message !== null ? 'it gives no reason' : String(message)
      throw new TemplateRefusal(said.slice(0, MAX_NOTE))
    },
  }
}

function pythonRange(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  const length = Math.max(0, Math.ceil((stop - start) / step))
  if (!(length <= MAX_RANGE)) throw new Error(`range is too long; the limit is ${MAX_RANGE}`)
  spendItems(length)
  return Array.from({ length }, (_, i) => start + i * step)
}

const STATEMENTS = new Set([
  'Set',
  'If',
  'For',
  'Macro',
  'CallStatement',
  'FilterStatement',
  'Break',
  'Continue',
  'Comment',
])

/** Finds the expressions whose values are printed: those that stand in a body like a statement. */
function collectPrinted(node: Node, printed: Set<Node>): void {
  for (const body of [node.body, node.alternate, node.defaultBlock]) {
    if (!Array.isArray(body)) continue
    for (const child of body as Node[]) {
      if (STATEMENTS.has(child.type)) collectPrinted(child, printed)
      else if (child.type !== 'StringLiteral') printed.add(child)
    }
  }
}

import { WarplineError } from '../errors.js'
import {
  ANY_OBJECT,
  anyValueRules,
  choice,
  type Expression,
  GRAMMAR_LIMITS,
  type Grammar,
  parseGrammar,
  parseRegularExpression,
  schemaExpression,
  text,
  tooComplex,
} from '../grammar/index.js'
import type { GenerateOptions } from './options.js'

const CONSTRAINTS = ['responseFormat', 'guidedRegex', 'guidedChoice', 'guidedGrammar'] as const

/** The options that say what the output must be. */
export type FormatOptions = Pick<GenerateOptions, (typeof CONSTRAINTS)[number]>

/** The part of the options that speaks of a format; undefined where any text will do. Equal options have equal JSON. */
export function formatOf(options: FormatOptions): FormatOptions | undefined {
  const given = CONSTRAINTS.filter((name) => options[name] !== undefined && !isAnyText(options, name))
  if (given.length === 0) return undefined
  if (given.length > 1) {
    throw new WarplineError('option-invalid', `${given.join(' and ')} cannot be given together; choose one of them`)
  }
  return { [given[0]!]: options[given[0]!] }
}

function isAnyText({ responseFormat }: FormatOptions, name: string): boolean {
  return name === 'responseFormat' && responseFormat!.type === 'text'
}

/**
 * The texts of a format. Errors: `schema-invalid`, `schema-unsupported`, `grammar-invalid`, `grammar-unsupported`,
 * `grammar-too-complex`, `option-invalid`.
 */
export function formatGrammar({ responseFormat, guidedRegex, guidedChoice, guidedGrammar }: FormatOptions): Grammar {
  if (guidedGrammar !== undefined) return parseGrammar(guidedGrammar)
  const rules = anyValueRules()
  if (guidedRegex !== undefined) return { root: parseRegularExpression(guidedRegex, 'whole'), rules }
  if (guidedChoice !== undefined) return { root: anyOf(guidedChoice), rules }
  return { root: responseExpression(responseFormat!, rules), rules }
}

function responseExpression(format: NonNullable<FormatOptions['responseFormat']>, rules: Map<string, Expression>) {
  if (format.type !== 'json_schema') return ANY_OBJECT
  const schema = 'schema' in format ? format.schema : format.json_schema?.schema
  if (schema === undefined) throw new WarplineError('option-invalid', 'responseFormat: json_schema needs a schema')
  return schemaExpression(schema, rules)
}

function anyOf(choices: readonly string[]): Expression {
  if (choices.length === 0) throw new WarplineError('option-invalid', 'guidedChoice: give at least one text')
  if (choices.includes('')) throw new WarplineError('option-invalid', 'guidedChoice: a choice is empty; leave it out')
  if (choices.some((each) => !each.isWellFormed())) {
    throw new WarplineError('option-invalid', 'guidedChoice: a choice is not valid Unicode (a lone surrogate)')
  }
  if (choices.reduce((sum, each) => sum + each.length, 0) > GRAMMAR_LIMITS.grammarLength) {
    throw tooComplex(`guidedChoice has over ${GRAMMAR_LIMITS.grammarLength} characters`)
  }
  return choice(...[...new Set(choices)].map(text))
}

/** Refuses what would end a constrained output early, or keep it from ending. Errors: `option-unsupported`. */
export function checkCombination(options: GenerateOptions): void {
  const refuse = (name: string, why: string) => {
    throw new WarplineError('option-unsupported', `${name} with a format of the output: ${why}; leave one of them out`)
  }
  if (options.stop !== undefined && options.stop.length > 0) refuse('stop', 'a stop text could cut it off')
  if (options.ignoreEos) refuse('ignoreEos', 'the output ends where its format is complete')
  if ((options.minTokens ?? 0) > 0) refuse('minTokens', 'the format may be complete before')
}

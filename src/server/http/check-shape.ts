import type { z } from 'zod'
import { nearestName } from '../../errors.js'
import { type ApiError, invalid } from './api-error.js'

type Issue = z.core.$ZodIssue

/** The value as its schema has it, or an error that names the first field at fault. */
export function checkShape<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const given = withoutNulls(value)
  const result = schema.safeParse(given)
  if (result.success) return result.data
  throw toError(result.error.issues[0]!, schema, given)
}

/** OpenAI's optional fields may be null, which says the same as leaving them out. */
function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null))
}

function toError(issue: Issue, schema: z.ZodType, given: unknown): ApiError {
  const path = pathOf(issue.path)
  if (issue.code === 'unrecognized_keys') return unknownField(issue.keys[0]!, path, schema)
  const missing = issue.path.length > 0 && at(given, issue.path) === undefined
  if (missing) return invalid(path, `${path} is missing`, 'missing_required_parameter')
  const subject = path || 'the body'
  return invalid(path, `${subject} ${expectation(issue)}`, issue.code === 'invalid_type' ? 'invalid_type' : undefined)
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((each, step) => (each as Record<PropertyKey, unknown> | undefined)?.[step], value)
}

function unknownField(name: string, path: string, schema: z.ZodType): ApiError {
  const shape = (schema as { shape?: object }).shape
  const nearest = path === '' && shape ? nearestName(name, Object.keys(shape)) : undefined
  const field = path ? `${path}.${name}` : name
  const shown = field.length > 100 ? `${field.slice(0, 100)}...` : field
  const advice = nearest ? `; did you mean ${nearest}?` : ''
  return invalid(shown, `there is no field ${shown}${advice}`, 'unknown_parameter')
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    return text ? `${text}.${String(step)}` : String(step)
  }, '')
}

const KINDS: Record<string, string> = {
  number: 'a number',
  int: 'a whole number',
  string: 'a text',
  boolean: 'true or false',
  array: 'an array',
  record: 'an object',
  object: 'an object',
}

function expectation(issue: Issue): string {
  const one = requirement(issue)
  return one.startsWith('must') || one.startsWith('has') || one.startsWith('is') ? one : `must be ${one}`
}

function requirement(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ')
    case 'invalid_type':
      return KINDS[issue.expected] ?? issue.expected
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`
        : `must have at least ${issue.minimum} ${unit(issue.origin)}`
    case 'too_big':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}`
        : `has over ${issue.maximum} ${unit(issue.origin)}, the limit of this server`
    case 'invalid_union':
      return [...new Set(issue.errors.flat().map(requirement))].join(' or ')
    case 'unrecognized_keys':
      return `must not have the field ${issue.keys[0]}`
    default:
      return issue.message
  }
}

function unit(origin: string): string {
  return origin === 'string' ? 'characters' : 'entries'
}

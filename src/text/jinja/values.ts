/**
 * Values of a running template, as @huggingface/jinja represents them, and what Python makes of them: `str()`, `repr()`,
 * `json.dumps()` and `==`. The library prints `true`, `null` and `["a"]` where the templates' authors saw `True`, `None` and
 * `['a']`; a model was trained on the latter.
 */
import * as library from '@huggingface/jinja'
import { spendCharacters, spendItems, spendSteps, spendText } from './budget.js'

export interface Value {
  readonly type: string
  readonly value: unknown
  __bool__(): { value: boolean }
}

export interface Scope {
  readonly variables: ReadonlyMap<string, Value>
  readonly parent?: Scope | undefined
  setVariable(name: string, value: Value): void
}

/** The library's declarations lack file extensions, so that Node's resolution finds only half of them. */
export const { Environment } = library as unknown as {
  Environment: new (parent?: unknown) => Scope & { set(name: string, value: unknown): Value }
}

/** Numbers that are whole are integers; functions become callable; undefined is the template's undefined. */
export function toValue(value: unknown): Value {
  return new Environment().set('value', value)
}

const ArrayValue = toValue([]).constructor as new (items: Value[]) => Value
const FloatValue = toValue(0.5).constructor as new (value: number) => Value
const StringValue = toValue('').constructor as new (value: string) => Value
const IntegerValue = toValue(1).constructor as new (value: number) => Value

export const list = (items: Value[]): Value => new ArrayValue(items)
export const float = (value: number): Value => new FloatValue(value)
export const integer = (value: number): Value => new IntegerValue(value)
export const string = (value: string): Value => new StringValue(value)
export const boolean = (value: boolean): Value => toValue(value)

export function isString(value: Value): value is Value & { value: string } {
  return value.type === 'StringValue'
}

export function isList(value: Value): value is Value & { value: Value[] } {
  return value.type === 'ArrayValue' || value.type === 'TupleValue'
}

export function isMapping(value: Value): value is Value & { value: Map<string, Value> } {
  return value.type === 'ObjectValue'
}

/** A number of Python: an integer, a float, or a boolean. */
export function asNumber(value: Value): number | undefined {
  if (value.type === 'IntegerValue' || value.type === 'FloatValue') return value.value as number
  return value.type === 'BooleanValue' ? Number(value.value) : undefined
}

/** `str(value)`. */
export function str(value: Value): string {
  if (isString(value)) return value.value
  if (value.type === 'UndefinedValue') return ''
  return repr(value)
}

/** `repr(value)`. */
export function repr(value: Value): string {
  const text = reprOf(value)
  spendText(text.length)
  return text
}

function reprOf(value: Value): string {
  spendSteps(1)
  switch (value.type) {
    case 'StringValue':
      return quoted(value.value as string)
    case 'IntegerValue':
      return wholeNumber(value.value as number)
    case 'FloatValue':
      return floatText(value.value as number)
    case 'BooleanValue':
      return value.value ? 'True' : 'False'
    case 'NullValue':
      return 'None'
    case 'UndefinedValue':
      return 'Undefined'
    case 'ArrayValue':
      return `[${(value.value as Value[]).map(repr).join(', ')}]`
    case 'TupleValue': {
      const items = (value.value as Value[]).map(repr)
      return items.length === 1 ? `(${items[0]},)` : `(${items.join(', ')})`
    }
    case 'ObjectValue':
    case 'NamespaceValue': {
      const entries = [...(value.value as Map<string, Value>)].map(([key, item]) => `${quoted(key)}: ${repr(item)}`)
      const text = `{${entries.join(', ')}}`
      return value.type === 'ObjectValue' ? text : `<Namespace ${text}>`
    }
    default:
      return `<${value.type}>`
  }
}

export interface JsonOptions {
  indent?: number | string | undefined
  ensureAscii?: boolean
  separators?: readonly [string, string] | undefined
  sortKeys?: boolean
}

/** `json.dumps(value, ...)` as transformers gives it to templates: nothing but ASCII control characters is escaped. */
export function toJson(value: Value, options: JsonOptions = {}, depth = 0): string {
  spendItems(1)
  const { indent, ensureAscii = false, sortKeys = false } = options
  const [itemSeparator, keySeparator] = options.separators ?? [indent === undefined ? ', ' : ',', ': ']
  const unit = typeof indent === 'number' ? ' '.repeat(Math.min(Math.max(indent, 0), 64)) : indent
  const enclose = (open: string, items: string[], close: string) => {
    const content = items.reduce((sum, item) => sum + item.length + itemSeparator.length, 2)
    spendText(content + (items.length + 2) * (depth + 2) * (unit?.length ?? 0))
    if (items.length === 0 || unit === undefined) return open + items.join(itemSeparator) + close
    const outer = `\n${unit.repeat(depth)}`
    const inner = outer + unit
    return open + inner + items.join(itemSeparator + inner) + outer + close
  }
  const text = (content: string) => {
    spendText(6 * content.length)
    return ensureAscii ? escaped(JSON.stringify(content)) : JSON.stringify(content)
  }
  if (isString(value)) return text(value.value)
  if (isList(value))
    return enclose(
      '[',
      value.value.map((item) => toJson(item, options, depth + 1)),
      ']',
    )
  if (isMapping(value)) {
    const entries = [...value.value]
    if (sortKeys) entries.sort(([a], [b]) => (a < b ? -1 : 1))
    const items = entries.map(([key, item]) => text(key) + keySeparator + toJson(item, options, depth + 1))
    return enclose('{', items, '}')
  }
  if (value.type === 'NullValue') return 'null'
  if (asNumber(value) !== undefined) return repr(value).replace('True', 'true').replace('False', 'false')
  throw new Error(`${value.type.replace('Value', '').toLowerCase()} cannot be written as JSON`)
}

/** Python's `==`. */
export function equal(a: Value, b: Value): boolean {
  spendSteps(1)
  const [left, right] = [asNumber(a), asNumber(b)]
  if (left !== undefined || right !== undefined) return left === right
  if (isList(a) && isList(b)) {
    return (
      a.type === b.type && a.value.length === b.value.length && a.value.every((item, i) => equal(item, b.value[i]!))
    )
  }
  if (isMapping(a) && isMapping(b)) {
    const other = b.value
    const same = ([key, item]: [string, Value]) => other.has(key) && equal(item, other.get(key)!)
    return a.value.size === other.size && [...a.value].every(same)
  }
  if (isString(a) && isString(b) && a.value.length === b.value.length) spendCharacters(a.value.length)
  return a.type === b.type && a.value === b.value
}

function wholeNumber(value: number): string {
  if (Number.isSafeInteger(value)) return String(value === 0 ? 0 : value)
  spendSteps(10)
  return Number.isInteger(value) ? BigInt(value).toString() : String(value)
}

/** The shortest digits that read back as the same double, in Python's layout: exponents below 1e-4 and from 1e16 on. */
function floatText(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string]
  const power = Number(exponent)
  if (value !== 0 && (power < -4 || power >= 16)) {
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
  }
  return Number.isInteger(value) ? `${wholeNumber(value)}.0` : positional(mantissa, power)
}

function positional(mantissa: string, power: number): string {
  const sign = mantissa.startsWith('-') ? '-' : ''
  const digits = mantissa.replace(/[-.]/g, '')
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`
  return `${sign}${digits.slice(0, power + 1)}.${digits.slice(power + 1)}`
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  spendText(text.length)
  if (/^[ -&(-[\]-~]*$/.test(text)) return quote + text + quote
  spendSteps(text.length)
  let result = quote
  for (const character of text) {
    const code = character.codePointAt(0)!
    if (character === quote || character === '\\') result += `\\${character}`
    else if (character === '\n') result += '\\n'
    else if (character === '\r') result += '\\r'
    else if (character === '\t') result += '\\t'
    else if (character !== ' ' && /[\p{C}\p{Z}]/u.test(character)) result += escapeOf(code)
    else result += character
  }
  return result + quote
}

function escapeOf(code: number): string {
  const hex = code.toString(16)
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}

function escaped(json: string): string {
  return json.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

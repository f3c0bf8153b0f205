/** Filters of Jinja that the library has not got, or applies to fewer kinds of value. Undefined: leave it to the library. */
import { stringMethods, strip } from './strings.js'
import {
  asNumber,
  equal,
  float,
  integer,
  isList,
  isMapping,
  isString,
  list,
  str,
  string,
  toJson,
  type Value,
} from './values.js'

export interface FilterArguments {
  positional: readonly Value[]
  named: ReadonlyMap<string, Value>
  /** Applies another filter by its name. */
  apply: (name: string, operand: Value, positional: readonly Value[]) => Value
  /** Applies a test by its name. */
  test: (name: string, operand: Value, positional: readonly Value[]) => boolean
}

type Filter = (operand: Value, args: FilterArguments) => Value | undefined

export const filters: Readonly<Record<string, Filter>> = {
  string: (operand) => string(str(operand)),
  tojson: (operand, { named }) => string(toJson(operand, jsonOptions(named))),
  trim: (operand, { positional }) => string(strip(str(operand), positional[0])),
  title: (operand) => stringMethods.title!(str(operand), []),
  capitalize: (operand) => stringMethods.capitalize!(str(operand), []),
  length: (operand) => (isString(operand) ? integer([...operand.value].length) : undefined),
  count: (operand, { apply }) => apply('length', operand, []),
  list: (operand) => {
    const items = itemsOf(operand)
    return items && list(items)
  },
  first: (operand) => (isString(operand) ? itemsOf(operand)?.[0] : undefined),
  last: (operand) => (isString(operand) ? itemsOf(operand)?.at(-1) : undefined),
  reverse: (operand) => (isString(operand) ? string([...operand.value].reverse().join('')) : undefined),
  join: (operand, { positional, named }) => {
    const separator = positional[0] ?? named.get('d')
    const attribute = positional[1] ?? named.get('attribute')
    if (attribute !== undefined || !(isList(operand) || isString(operand))) return undefined
    return string(
      itemsOf(operand)!
        .map(str)
        .join(separator === undefined ? '' : str(separator)),
    )
  },
  max: (operand) => extreme(operand, (a, b) => a > b),
  min: (operand) => extreme(operand, (a, b) => a < b),
  sum: (operand) => {
    if (!isList(operand)) return undefined
    const total = operand.value.reduce((sum, item) => sum + (asNumber(item) ?? Number.NaN), 0)
    return operand.value.some((item) => item.type === 'FloatValue') ? float(total) : integer(total)
  },
  round: (operand, { positional, named }) => {
    const value = asNumber(operand)
    const digits = asNumber(positional[0] ?? named.get('precision') ?? integer(0))
    if (value === undefined || digits === undefined || positional.length > 1 || named.has('method')) return undefined
    return float(roundHalfEven(value, digits))
  },
  int: (operand) => {
    const value = operand.type === 'FloatValue' ? asNumber(operand) : undefined
    return value === undefined ? undefined : integer(Math.trunc(value))
  },
  e: (operand) => string(escapeHtml(str(operand))),
  escape: (operand) => string(escapeHtml(str(operand))),
  map: (operand, { positional, named, apply }) => {
    const [name, ...rest] = positional
    if (name === undefined || !isString(name) || named.size > 0 || !isList(operand)) return undefined
    return list(operand.value.map((item) => apply(name.value, item, rest)))
  },
  select: (operand, args) => selected(operand, args, true),
  reject: (operand, args) => selected(operand, args, false),
  unique: (operand) => {
    if (!isList(operand)) return undefined
    const seen: Value[] = []
    for (const item of operand.value) if (!seen.some((other) => equal(other, item))) seen.push(item)
    return list(seen)
  },
}

function jsonOptions(named: ReadonlyMap<string, Value>) {
  const indent = named.get('indent')
  const separators = named.get('separators')
  return {
    indent: indent === undefined || indent.type === 'NullValue' ? undefined : (indent.value as number | string),
    ensureAscii: named.get('ensure_ascii')?.__bool__().value ?? false,
    sortKeys: named.get('sort_keys')?.__bool__().value ?? false,
    separators:
      separators && isList(separators) ? ([str(separators.value[0]!), str(separators.value[1]!)] as const) : undefined,
  }
}

/** What a `for` would go through. */
export function itemsOf(value: Value): Value[] | undefined {
  if (isString(value)) return [...value.value].map(string)
  if (isMapping(value)) return [...value.value.keys()].map(string)
  return isList(value) ? value.value : undefined
}

function extreme(operand: Value, better: (a: number | string, b: number | string) => boolean): Value | undefined {
  if (!isList(operand) || operand.value.length === 0) return undefined
  const key = (item: Value) => asNumber(item) ?? str(item).toLowerCase()
  return operand.value.reduce((best, item) => (better(key(item), key(best)) ? item : best))
}

function selected(operand: Value, { positional, test }: FilterArguments, wanted: boolean): Value | undefined {
  if (!isList(operand)) return undefined
  const [name, ...rest] = positional
  const holds = (item: Value) => (name === undefined ? item.__bool__().value : test(str(name), item, rest))
  return list(operand.value.filter((item) => holds(item) === wanted))
}

/** Python's `round`: of two equally near, the even one. */
function roundHalfEven(value: number, digits: number): number {
  if (digits !== 0) return Number(value.toFixed(Math.min(Math.max(digits, 0), 100)))
  const floor = Math.floor(value)
  if (value - floor !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' }
  return text.replace(/[&<>"']/g, (character) => entities[character]!)
}

/** Filters of Jinja that the library has not got, or applies to fewer kinds of value. Undefined: leave it to the library. */
import { codePointCount, explode, spendCharacters, spendItems, spendSteps, spendText } from './budget.js'
import { joined, stringMethods, strip } from './strings.js'
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
  length: (operand) => (isString(operand) ? integer(codePointCount(operand.value)) : undefined),
  count: (operand, { apply }) => apply('length', operand, []),
  list: (operand) => {
    const items = itemsOf(operand)
    return items && list(items)
  },
  first: (operand) => (isString(operand) && operand.value !== '' ? string(pointAt(operand.value, 0)) : undefined),
  last: (operand) => {
    if (!isString(operand) || operand.value === '') return undefined
    return string([...operand.value.slice(-2)].at(-1)!)
  },
  reverse: (operand) => (isString(operand) ? string(explode(operand.value).reverse().join('')) : undefined),
  replace: (operand, { positional, named }) => {
    const [sought, content, count] = [positional[0], positional[1], positional[2] ?? named.get('count')]
    if (sought === undefined || content === undefined) throw new Error('replace needs two texts')
    return stringMethods.replace!(str(operand), count === undefined ? [sought, content] : [sought, content, count])
  },
  indent: (operand, { positional, named }) => {
    const flag = (at: number, name: string) => (positional[at] ?? named.get(name))?.__bool__().value ?? false
    return string(indented(str(operand), positional[0] ?? named.get('width'), flag(1, 'first'), flag(2, 'blank')))
  },
  join: (operand, { positional, named }) => {
    const separator = positional[0] ?? named.get('d')
    const attribute = positional[1] ?? named.get('attribute')
    if (!(isList(operand) || isString(operand))) return undefined
    const items = itemsOf(operand)!
    const wanted = attribute === undefined ? items : items.map((item) => attributeOf(item, str(attribute)))
    return string(joined(wanted.map(str), separator === undefined ? '' : str(separator)))
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
    const known = new Set<number | string>()
    const others: Value[] = []
    return list(
      operand.value.filter((item) => {
        spendSteps(1)
        const key = asNumber(item) ?? (isString(item) ? item.value : undefined)
        if (typeof key === 'string') spendCharacters(key.length)
        const seen = key === undefined ? others.some((other) => equal(other, item)) : known.has(key)
        if (key !== undefined) known.add(key)
        else if (!seen) others.push(item)
        return !seen
      }),
    )
  },
}

function pointAt(text: string, at: number): string {
  return String.fromCodePoint(text.codePointAt(at)!)
}

/** What `attribute='a.b'` names; an empty text where there is none. */
function attributeOf(item: Value, path: string): Value {
  let value: Value | undefined = item
  for (const name of path.split('.'))
    value = value !== undefined && isMapping(value) ? value.value.get(name) : undefined
  return value ?? string('')
}

function indented(text: string, width: Value | undefined, first: boolean, blank: boolean): string {
  spendCharacters(text.length)
  let lines = 1
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++
  spendItems(lines)
  const unit = width !== undefined && isString(width) ? width.value : undefined
  const spaces = width === undefined ? 4 : Math.max(0, asNumber(width) ?? 0)
  spendText(text.length + lines * (unit?.length ?? spaces))
  const indent = unit ?? ' '.repeat(spaces)
  return text
    .split('\n')
    .map((line, i) => ((i === 0 && !first) || (i > 0 && line === '' && !blank) ? line : indent + line))
    .join('\n')
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
  if (isString(value)) {
    spendItems(value.value.length)
    return [...value.value].map(string)
  }
  if (isMapping(value)) {
    spendItems(value.value.size)
    return [...value.value.keys()].map(string)
  }
  return isList(value) ? value.value : undefined
}

function extreme(operand: Value, better: (a: number | string, b: number | string) => boolean): Value | undefined {
  if (!isList(operand) || operand.value.length === 0) return undefined
  const key = (item: Value) => {
    spendSteps(1)
    const text = asNumber(item) ?? str(item)
    if (typeof text === 'number') return text
    spendCharacters(2 * text.length)
    return text.toLowerCase()
  }
  let best = operand.value[0]!
  let bestKey = key(best)
  for (const item of operand.value.slice(1)) {
    const itemKey = key(item)
    if (better(itemKey, bestKey)) [best, bestKey] = [item, itemKey]
  }
  return best
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
  spendText(6 * text.length)
  return text.replace(/[&<>"']/g, (character) => entities[character]!)
}

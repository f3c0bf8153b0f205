/** Methods of Python's `str` that templates call: with Python's white space, and positions in code points. */
import { boolean, integer, isList, isString, list, str, string, type Value } from './values.js'

type Method = (text: string, args: readonly Value[]) => Value

/** `str.isspace`: unlike JavaScript's, it has the separators U+001C to U+001F and U+0085, but not U+FEFF. */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const leadingSpace = new RegExp(`^[${SPACE}]+`)
const trailingSpace = new RegExp(`[${SPACE}]$`)
const anySpace = new RegExp(`[${SPACE}]+`)
const onlySpace = new RegExp(`^[${SPACE}]+$`)
const LINE_END = '\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029'
const lineBreak = new RegExp(`\\r\\n|[${LINE_END}]`)

export const stringMethods: Readonly<Record<string, Method>> = {
  strip: (text, [chars]) => string(stripStart(stripEnd(text, chars), chars)),
  lstrip: (text, [chars]) => string(stripStart(text, chars)),
  rstrip: (text, [chars]) => string(stripEnd(text, chars)),
  split: (text, [separator, limit]) => texts(split(text, optionalText(separator), limitOf(limit))),
  rsplit: (text, [separator, limit]) => texts(splitFromEnd(text, optionalText(separator), limitOf(limit))),
  splitlines: (text) => {
    const lines = text.split(lineBreak)
    if (lines.at(-1) === '') lines.pop()
    return texts(lines)
  },
  partition: (text, [separator]) => {
    const at = text.indexOf(needText(separator))
    return texts(at < 0 ? [text, '', ''] : around(text, at, needText(separator)))
  },
  rpartition: (text, [separator]) => {
    const at = text.lastIndexOf(needText(separator))
    return texts(at < 0 ? ['', '', text] : around(text, at, needText(separator)))
  },
  removeprefix: (text, [prefix]) =>
    string(text.startsWith(needText(prefix)) ? text.slice(needText(prefix).length) : text),
  removesuffix: (text, [suffix]) => {
    const end = needText(suffix)
    return string(end !== '' && text.endsWith(end) ? text.slice(0, -end.length) : text)
  },
  find: (text, [sought]) => integer(codePointIndex(text, text.indexOf(needText(sought)))),
  rfind: (text, [sought]) => integer(codePointIndex(text, text.lastIndexOf(needText(sought)))),
  index: (text, [sought]) => {
    const at = text.indexOf(needText(sought))
    if (at < 0) throw new Error('substring not found')
    return integer(codePointIndex(text, at))
  },
  count: (text, [sought]) => {
    const wanted = needText(sought)
    return integer(wanted === '' ? [...text].length + 1 : text.split(wanted).length - 1)
  },
  join: (text, [items]) => {
    if (items === undefined || !isList(items)) throw new Error('join() needs a list')
    return string(items.value.map(needText).join(text))
  },
  title: (text) => string(titleCase(text)),
  capitalize: (text) => {
    const [first = '', ...rest] = text
    return string(first.toUpperCase() + rest.join('').toLowerCase())
  },
  swapcase: (text) =>
    string([...text].map((c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase())).join('')),
  zfill: (text, [width]) => {
    const [, sign, digits] = /^([+-]?)(.*)$/s.exec(text)!
    return string(sign + digits!.padStart(Math.min(Number(width?.value ?? 0), 1 << 16) - sign!.length, '0'))
  },
  isdigit: (text) => boolean(/^[\p{Nd}\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089]+$/u.test(text)),
  isdecimal: (text) => boolean(/^\p{Nd}+$/u.test(text)),
  isnumeric: (text) => boolean(/^\p{N}+$/u.test(text)),
  isalpha: (text) => boolean(/^\p{L}+$/u.test(text)),
  isalnum: (text) => boolean(/^[\p{L}\p{N}]+$/u.test(text)),
  isspace: (text) => boolean(onlySpace.test(text)),
  isupper: (text) => boolean(text === text.toUpperCase() && text !== text.toLowerCase()),
  islower: (text) => boolean(text === text.toLowerCase() && text !== text.toUpperCase()),
}

/** `text.strip()`. */
export function strip(text: string, chars?: Value): string {
  return stripStart(stripEnd(text, chars), chars)
}

/** A letter is upper case where none stands before it. */
function titleCase(text: string): string {
  return text.replace(/\p{L}+/gu, (word) => {
    const [first = '', ...rest] = word
    return first.toUpperCase() + rest.join('').toLowerCase()
  })
}

function stripStart(text: string, chars: Value | undefined): string {
  const wanted = optionalText(chars)
  if (wanted === undefined) return text.replace(leadingSpace, '')
  const points = [...text]
  const kept = points.findIndex((point) => !wanted.includes(point))
  return kept < 0 ? '' : points.slice(kept).join('')
}

function stripEnd(text: string, chars: Value | undefined): string {
  const wanted = optionalText(chars)
  if (wanted === undefined) {
    let end = text.length
    while (end > 0 && trailingSpace.test(text[end - 1]!)) end--
    return text.slice(0, end)
  }
  const points = [...text]
  while (points.length > 0 && wanted.includes(points.at(-1)!)) points.pop()
  return points.join('')
}

function split(text: string, separator: string | undefined, limit: number): string[] {
  if (separator === '') throw new Error('empty separator')
  const parts: string[] = []
  let rest = separator === undefined ? text.replace(leadingSpace, '') : text
  while (parts.length < limit) {
    const at = separator === undefined ? rest.search(anySpace) : rest.indexOf(separator)
    if (at < 0) break
    parts.push(rest.slice(0, at))
    rest = separator === undefined ? rest.slice(at).replace(leadingSpace, '') : rest.slice(at + separator.length)
  }
  if (separator !== undefined || rest !== '') parts.push(rest)
  return parts
}

function splitFromEnd(text: string, separator: string | undefined, limit: number): string[] {
  const reversed = (part: string) => [...part].reverse().join('')
  const parts = split(reversed(text), separator === undefined ? undefined : reversed(separator), limit)
  return parts.map(reversed).reverse()
}

function around(text: string, at: number, separator: string): string[] {
  return [text.slice(0, at), separator, text.slice(at + separator.length)]
}

function codePointIndex(text: string, at: number): number {
  return at < 0 ? -1 : [...text.slice(0, at)].length
}

function texts(items: readonly string[]): Value {
  return list(items.map(string))
}

function limitOf(value: Value | undefined): number {
  const limit = value === undefined ? -1 : Number(value.value)
  return limit < 0 ? Number.POSITIVE_INFINITY : limit
}

function optionalText(value: Value | undefined): string | undefined {
  return value === undefined || value.type === 'NullValue' ? undefined : needText(value)
}

function needText(value: Value | undefined): string {
  if (value === undefined || !isString(value))
    throw new Error(`a string is needed, not ${value ? str(value) || 'nothing' : 'nothing'}`)
  return value.value
}

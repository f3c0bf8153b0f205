/** Methods of Python's `str` that templates call: with Python's white space, and positions in code points. */
import { codePointCount, explode, spendItems, spendSearch, spendSteps, spendText } from './budget.js'
import { boolean, integer, isList, isString, list, str, string, type Value } from './values.js'

type Method = (text: string, args: readonly Value[]) => Value

/** `str.isspace`: unlike JavaScript's, it has the separators U+001C to U+001F and U+0085, but not U+FEFF. */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const leadingSpace = new RegExp(`^[${SPACE}]+`)
const isSpace = new RegExp(`^[${SPACE}]$`)
const spaces = new Set(
  Array.from({ length: 0x3001 }, (_, code) => code).filter((code) => isSpace.test(String.fromCharCode(code))),
)
const word = new RegExp(`[^${SPACE}]+`, 'g')
const onlySpace = new RegExp(`^[${SPACE}]+$`)
const LINE_END = '\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029'
const lineBreak = new RegExp(`\\r\\n|[${LINE_END}]`, 'g')

export const stringMethods: Readonly<Record<string, Method>> = {
  strip: (text, [chars]) => string(stripStart(stripEnd(text, chars), chars)),
  lstrip: (text, [chars]) => string(stripStart(text, chars)),
  rstrip: (text, [chars]) => string(stripEnd(text, chars)),
  split: (text, [separator, limit]) => texts(split(text, optionalText(separator), limitOf(limit))),
  rsplit: (text, [separator, limit]) => texts(splitFromEnd(text, optionalText(separator), limitOf(limit))),
  splitlines: (text) => {
    const lines: string[] = []
    let done = 0
    for (const match of text.matchAll(lineBreak)) {
      spendItems(1)
      lines.push(text.slice(done, match.index))
      done = match.index + match[0].length
    }
    if (done < text.length) lines.push(text.slice(done))
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
    return integer(wanted === '' ? codePointCount(text) + 1 : occurrences(text, wanted))
  },
  join: (text, [items]) => {
    if (items === undefined || !isList(items)) throw new Error('join() needs a list')
    return string(joined(items.value.map(needText), text))
  },
  title: (text) => string(titleCase(text)),
  capitalize: (text) => {
    const [first = '', ...rest] = explode(text)
    return string(first.toUpperCase() + rest.join('').toLowerCase())
  },
  swapcase: (text) =>
    string(
      explode(text)
        .map((c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase()))
        .join(''),
    ),
  zfill: (text, [width]) => {
    const [, sign, digits] = /^([+-]?)(.*)$/s.exec(text)!
    return string(sign + digits!.padStart(Math.min(Number(width?.value ?? 0), 1 << 16) - sign!.length, '0'))
  },
  replace: (text, [sought, content, count]) =>
    string(replaced(text, needText(sought), needText(content), limitOf(count))),
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
  spendSteps(text.length)
  return text.replace(/\p{L}+/gu, (word) => {
    const [first = '', ...rest] = word
    return first.toUpperCase() + rest.join('').toLowerCase()
  })
}

function stripStart(text: string, chars: Value | undefined): string {
  const wanted = optionalText(chars)
  if (wanted === undefined) return text.replace(leadingSpace, '')
  const unwanted = new Set(explode(wanted))
  let start = 0
  for (const point of text) {
    if (!unwanted.has(point)) break
    start += point.length
  }
  spendSteps(Math.ceil(start / 4))
  return text.slice(start)
}

function stripEnd(text: string, chars: Value | undefined): string {
  const wanted = optionalText(chars)
  if (wanted === undefined) {
    let end = text.length
    while (end > 0 && spaces.has(text.charCodeAt(end - 1))) end--
    return text.slice(0, end)
  }
  const unwanted = new Set(explode(wanted))
  let end = text.length
  while (end > 0) {
    const pair = end > 1 ? text.slice(end - 2, end) : ''
    const last = pair.codePointAt(0)! > 0xffff ? pair : text[end - 1]!
    if (!unwanted.has(last)) break
    end -= last.length
  }
  spendSteps(Math.ceil((text.length - end) / 4))
  return text.slice(0, end)
}

function split(text: string, separator: string | undefined, limit: number): string[] {
  if (separator === '') throw new Error('empty separator')
  const parts: string[] = []
  let done = 0
  if (separator === undefined) {
    for (const match of text.matchAll(word)) {
      done = match.index
      if (parts.length >= limit) return [...parts, text.slice(done)]
      spendItems(1)
      parts.push(match[0])
    }
    return parts
  }
  spendSearch(text, separator)
  for (let at = text.indexOf(separator); at >= 0 && parts.length < limit; at = text.indexOf(separator, done)) {
    spendItems(1)
    parts.push(text.slice(done, at))
    done = at + separator.length
  }
  parts.push(text.slice(done))
  return parts
}

/** `text.replace(sought, content, limit)`. */
export function replaced(text: string, sought: string, content: string, limit: number): string {
  const places = sought === '' ? codePointCount(text) + 1 : occurrences(text, sought)
  const count = Math.min(places, limit)
  spendText(text.length + count * (content.length - sought.length))
  if (sought === '') {
    const points = explode(text)
    return (
      points.map((point, i) => (i < count ? content + point : point)).join('') + (count > points.length ? content : '')
    )
  }
  if (count === places) return text.replaceAll(sought, () => content)
  let result = ''
  let done = 0
  for (let i = 0; i < count; i++) {
    const at = text.indexOf(sought, done)
    result += text.slice(done, at) + content
    done = at + sought.length
  }
  return result + text.slice(done)
}

function occurrences(text: string, sought: string): number {
  spendSearch(text, sought)
  let count = 0
  for (let at = text.indexOf(sought); at >= 0; at = text.indexOf(sought, at + sought.length)) count++
  spendSteps(count)
  return count
}

/** `separator.join(items)`. */
export function joined(items: readonly string[], separator: string): string {
  spendText(items.reduce((sum, item) => sum + item.length + separator.length, 0))
  return items.join(separator)
}

function splitFromEnd(text: string, separator: string | undefined, limit: number): string[] {
  const reversed = (part: string) => explode(part).reverse().join('')
  const parts = split(reversed(text), separator === undefined ? undefined : reversed(separator), limit)
  return parts.map(reversed).reverse()
}

function around(text: string, at: number, separator: string): string[] {
  return [text.slice(0, at), separator, text.slice(at + separator.length)]
}

function codePointIndex(text: string, at: number): number {
  return at < 0 ? -1 : codePointCount(text.slice(0, at))
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

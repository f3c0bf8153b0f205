/** Python's operators and slices, within the budget of a rendering. */
import { explode, MAX_TEXT, spendCharacters, spendSearch, spendSteps, spendText } from './budget.js'
import { asNumber, boolean, equal, float, integer, isList, isString, str, string, type Value } from './values.js'

/** `text[start:stop:step]` by code points. */
export function sliced(text: string, given: readonly Value[]): string {
  const [start, stop, step = 1] = given.map((value) => {
    if (value.type !== 'IntegerValue' && value.type !== 'UndefinedValue' && value.type !== 'NullValue') {
      throw new Error('a slice goes by whole numbers')
    }
    return value.type === 'IntegerValue' ? (value.value as number) : undefined
  })
  if (step === 0) throw new Error('slice step cannot be zero')
  spendCharacters(text.length)
  const whole = step === 1 && !/[\ud800-\udfff]/.test(text)
  if (whole) return text.slice(start ?? 0, stop ?? text.length)
  const points = explode(text)
  const length = points.length
  if (step === 1) return points.slice(start ?? 0, stop ?? length).join('')
  const place = (at: number) =>
    Math.min(Math.max(at < 0 ? at + length : at, step < 0 ? -1 : 0), step < 0 ? length - 1 : length)
  const first = start === undefined ? (step < 0 ? length - 1 : 0) : place(start)
  const end = stop === undefined ? (step < 0 ? -1 : length) : place(stop)
  const chosen: string[] = []
  for (let at = first; step < 0 ? at > end : at < end; at += step) chosen.push(points[at]!)
  return chosen.join('')
}

/** The code point at a place that may be counted from the end. */
export function pointOf(text: string, index: number): string | undefined {
  const near = Math.min(text.length, 2 * (index < 0 ? -index : index + 1))
  return explode(index < 0 ? text.slice(text.length - near) : text.slice(0, near)).at(index)
}

/** Python's operators where the library's differ; undefined leaves the rest to it. */
export function operate(operator: string, left: Value, right: Value): Value | undefined {
  if (operator === '==') return boolean(equal(left, right))
  if (operator === '!=') return boolean(!equal(left, right))
  if (operator === '~') return joinedTexts(str(left), str(right))
  if (operator === '+' && (isString(left) || isString(right))) {
    const other = isString(left) ? right : left
    if (isString(left) && isString(right)) return joinedTexts(left.value, right.value)
    if (asNumber(other) === undefined) throw new Error('only a text can be added to a text')
  }
  if (operator === '+' && isList(left) && isList(right)) {
    spendSteps(Math.ceil((left.value.length + right.value.length) / 8))
  }
  if ((operator === 'in' || operator === 'not in') && isList(right)) {
    return boolean(right.value.some((item) => equal(item, left)) === (operator === 'in'))
  }
  if (isString(left) && isString(right)) {
    if (operator === 'in' || operator === 'not in') spendSearch(right.value, left.value)
    else spendCharacters(Math.min(left.value.length, right.value.length))
    return compare(operator, left.value, right.value)
  }
  const [a, b] = [asNumber(left), asNumber(right)]
  if (operator === '*') {
    if (isString(left) && right.type === 'IntegerValue') return repeat(left.value, b!)
    if (isString(right) && left.type === 'IntegerValue') return repeat(right.value, a!)
  }
  if (a === undefined || b === undefined) return undefined
  if (operator === '%' && b !== 0) {
    const rest = a - b * Math.floor(a / b)
    return left.type === 'FloatValue' || right.type === 'FloatValue' ? float(rest) : integer(rest)
  }
  if (left.type !== 'BooleanValue' && right.type !== 'BooleanValue') return undefined
  if (operator === '+') return integer(a + b)
  if (operator === '-') return integer(a - b)
  return compare(operator, a, b)
}

function compare<T extends string | number>(operator: string, a: T, b: T): Value | undefined {
  if (operator === '<') return boolean(a < b)
  if (operator === '>') return boolean(a > b)
  if (operator === '<=') return boolean(a <= b)
  return operator === '>=' ? boolean(a >= b) : undefined
}

/** A string that is only put together when it is read costs little here. */
export function joinedTexts(left: string, right: string): Value {
  if (left.length + right.length > MAX_TEXT) throw new Error('the template makes too long a text')
  return string(left + right)
}

export function repeat(text: string, times: number): Value {
  spendText(text.length * Math.max(0, times))
  return string(text.repeat(Math.max(0, times)))
}

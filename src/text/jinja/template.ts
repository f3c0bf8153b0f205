/**
 * Jinja templates as transformers renders them (jinja2's ImmutableSandboxedEnvironment with `trim_blocks` and
 * `lstrip_blocks`). Parsing, scopes and statements are @huggingface/jinja's; values are printed, compared and cut as
 * Python does it, which the library leaves to JavaScript. A template comes with a checkpoint, so it runs within bounds.
 */
import * as library from '@huggingface/jinja'
import { rewriteEscapes } from './escapes.js'
import { filters, itemsOf } from './filters.js'
import { strftime } from './strftime.js'
import { stringMethods } from './strings.js'
import {
  asNumber,
  boolean,
  Environment,
  equal,
  float,
  integer,
  isList,
  isString,
  type Scope,
  str,
  string,
  toValue,
  type Value,
} from './values.js'

interface Node {
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: the library's syntax tree, whose declarations Node's resolution cannot find
  readonly [key: string]: any
}

interface LibraryInterpreter {
  evaluate(node: Node | undefined, scope: Scope): Value
  run(program: Node): Value
}

const { Interpreter, parse, tokenize } = library as unknown as {
  Interpreter: new (scope: Scope) => LibraryInterpreter
  tokenize(source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }): unknown
  parse(tokens: unknown): Node
}

const MAX_STEPS = 5_000_000
/** A turn of a loop costs this much even with an empty body. */
const STEPS_PER_ITEM = 10
const MAX_RANGE = 100_000
const MAX_ITEMS = 1_000_000
const MAX_TEXT = 2 ** 26
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
    return str(new PythonInterpreter(scope, this.#printed).run(this.#program))
  }
}

function globals(now: Date) {
  return {
    ...{ true: true, false: false, none: null, True: true, False: false, None: null },
    range: pythonRange,
    strftime_now: (format: string) => strftime(now, format),
    raise_exception: (message: unknown) => {
      throw new TemplateRefusal(String(message))
    },
  }
}

function pythonRange(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  const length = Math.max(0, Math.ceil((stop - start) / step))
  if (!(length <= MAX_RANGE)) throw new Error(`range is too long; the limit is ${MAX_RANGE}`)
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

class PythonInterpreter extends Interpreter {
  readonly #printed: ReadonlySet<Node>
  #steps = 0

  constructor(scope: Scope, printed: ReadonlySet<Node>) {
    super(scope)
    this.#printed = printed
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    this.#count(1)
    if (node === undefined) return super.evaluate(node, scope)
    const value = this.#evaluate(node, scope)
    if (isString(value) && value.value.length > MAX_TEXT) throw new Error('the template makes too long a text')
    if (isList(value) && value.value.length > MAX_ITEMS) throw new Error('the template makes too long a list')
    return this.#printed.has(node) ? string(str(value)) : value
  }

  #evaluate(node: Node, scope: Scope): Value {
    switch (node.type) {
      case 'Known':
        return node.value as Value
      case 'BinaryExpression':
        return this.#binary(node, scope)
      case 'FilterExpression':
        return this.#filter(node, scope)
      case 'CallExpression':
        return this.#call(node, scope)
      case 'MemberExpression':
        return this.#member(node, scope)
      case 'TestExpression':
        return this.#test(node, scope)
      case 'For':
        return this.#for(node, scope)
      default:
        return super.evaluate(node, scope)
    }
  }

  #binary(node: Node, scope: Scope): Value {
    const operator = node.operator.value as string
    if (operator === 'and' || operator === 'or') return super.evaluate(node, scope)
    const left = this.evaluate(node.left, scope)
    const right = this.evaluate(node.right, scope)
    return operate(operator, left, right) ?? super.evaluate({ ...node, left: known(left), right: known(right) }, scope)
  }

  #filter(node: Node, scope: Scope): Value {
    const operand = this.evaluate(node.operand, scope)
    const called = node.filter.type === 'CallExpression'
    const name = (called ? node.filter.callee.value : node.filter.value) as string
    const args = called ? this.#arguments(node.filter.args, scope) : { positional: [], named: new Map<string, Value>() }
    const own = args && this.#ownFilter(name, operand, args, scope)
    return own ?? super.evaluate({ ...node, operand: known(operand) }, scope)
  }

  #ownFilter(
    name: string,
    operand: Value,
    args: { positional: readonly Value[]; named: ReadonlyMap<string, Value> },
    scope: Scope,
  ): Value | undefined {
    if (!Object.hasOwn(filters, name)) return undefined
    const apply = (other: string, value: Value, positional: readonly Value[]) => {
      const callee = identifier(other)
      const filter = positional.length > 0 ? { type: 'CallExpression', callee, args: positional.map(known) } : callee
      return this.evaluate({ type: 'FilterExpression', operand: known(value), filter }, scope)
    }
    const test = (other: string, value: Value, positional: readonly Value[]) =>
      this.#holds(other, value, positional, scope)
    return filters[name]!(operand, { ...args, apply, test })
  }

  /** Undefined where arguments are unpacked from a list, which only the library does. */
  #arguments(nodes: readonly Node[], scope: Scope) {
    if (nodes.some(({ type }) => type === 'SpreadExpression' || type === 'KeywordSpreadExpression')) return undefined
    const isNamed = (node: Node) => node.type === 'KeywordArgumentExpression'
    const positional = nodes.filter((node) => !isNamed(node)).map((node) => this.evaluate(node, scope))
    const named = nodes.filter(isNamed).map((node) => [node.key.value, this.evaluate(node.value, scope)] as const)
    return { positional, named: new Map<string, Value>(named) }
  }

  #call(node: Node, scope: Scope): Value {
    const { callee } = node
    if (callee.type !== 'MemberExpression' || callee.computed) return super.evaluate(node, scope)
    const object = this.evaluate(callee.object, scope)
    const rest = { ...node, callee: { ...callee, object: known(object) } }
    const name = callee.property.value as string
    if (!isString(object) || !Object.hasOwn(stringMethods, name)) return super.evaluate(rest, scope)
    const args = this.#arguments(node.args, scope)
    if (args === undefined || args.named.size > 0) return super.evaluate(rest, scope)
    return stringMethods[name]!(object.value, args.positional)
  }

  /** A character of a string is a code point. */
  #member(node: Node, scope: Scope): Value {
    if (!node.computed || node.property.type === 'SliceExpression') return super.evaluate(node, scope)
    const object = this.evaluate(node.object, scope)
    const property = this.evaluate(node.property, scope)
    if (!isString(object) || property.type !== 'IntegerValue') {
      return super.evaluate({ ...node, object: known(object), property: known(property) }, scope)
    }
    return toValue([...object.value].at(property.value as number))
  }

  #test(node: Node, scope: Scope): Value {
    const holds = this.#holds(node.test.value, this.evaluate(node.operand, scope), [], scope)
    return boolean(holds !== node.negate)
  }

  #holds(name: string, operand: Value, positional: readonly Value[], scope: Scope): boolean {
    const [other] = positional
    if (other !== undefined) {
      if (['eq', 'equalto', '=='].includes(name)) return equal(operand, other)
      if (['ne', '!='].includes(name)) return !equal(operand, other)
      if (name === 'in') return operate('in', operand, other)?.value === true
      throw new Error(`no test ${name} with an argument`)
    }
    if (name === 'float') return operand.type === 'FloatValue'
    if (name === 'iterable') return itemsOf(operand) !== undefined
    const test = { type: 'TestExpression', negate: false, operand: known(operand), test: identifier(name) }
    return super.evaluate(test, scope).value === true
  }

  /** The library goes through lists and mappings; Python through strings too. */
  #for(node: Node, scope: Scope): Value {
    const chosen = node.iterable.type === 'SelectExpression'
    const iterable = this.evaluate(chosen ? node.iterable.lhs : node.iterable, scope)
    const items = isString(iterable) ? toValue([...iterable.value]) : iterable
    this.#count(STEPS_PER_ITEM * (itemsOf(items)?.length ?? 0))
    const source = chosen ? { ...node.iterable, lhs: known(items) } : known(items)
    return super.evaluate({ ...node, iterable: source }, scope)
  }

  #count(steps: number): void {
    this.#steps += steps
    if (this.#steps > MAX_STEPS) throw new Error('the template does not come to an end')
  }
}

/** Python's operators where the library's differ; undefined leaves the rest to it. */
function operate(operator: string, left: Value, right: Value): Value | undefined {
  if (operator === '==') return boolean(equal(left, right))
  if (operator === '!=') return boolean(!equal(left, right))
  if (operator === '~') return string(str(left) + str(right))
  if ((operator === 'in' || operator === 'not in') && isList(right)) {
    return boolean(right.value.some((item) => equal(item, left)) === (operator === 'in'))
  }
  if (isString(left) && isString(right)) return compare(operator, left.value, right.value)
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

function repeat(text: string, times: number): Value {
  if (text.length * times > MAX_TEXT) throw new Error('the template makes too long a text')
  return string(text.repeat(Math.max(0, times)))
}

function known(value: Value): Node {
  return { type: 'Known', value }
}

function identifier(name: string): Node {
  return { type: 'Identifier', value: name }
}

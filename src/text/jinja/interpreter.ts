/** Statements and expressions with Python's values, on top of @huggingface/jinja's interpreter. */
import * as library from '@huggingface/jinja'
import { MAX_TEXT, spendCharacters, spendItems, spendSteps } from './budget.js'
import { filters, itemsOf } from './filters.js'
import { operate, pointOf, sliced } from './operators.js'
import { stringMethods } from './strings.js'
import {
  boolean,
  equal,
  isList,
  isMapping,
  isString,
  list,
  type Scope,
  str,
  string,
  toValue,
  type Value,
} from './values.js'

export interface Node {
  readonly type: string
  // biome-ignore lint/suspicious/noExplicitAny: the library's syntax tree, whose declarations Node's resolution cannot find
  readonly [key: string]: any
}

interface LibraryInterpreter {
  evaluate(node: Node | undefined, scope: Scope): Value
  run(program: Node): Value
}

const { Interpreter } = library as unknown as { Interpreter: new (scope: Scope) => LibraryInterpreter }

/** A turn of a loop costs this much even with an empty body. */
const STEPS_PER_TURN = 10
const MAX_ITEMS = 1_000_000

export class PythonInterpreter extends Interpreter {
  readonly #printed: ReadonlySet<Node>

  constructor(scope: Scope, printed: ReadonlySet<Node>) {
    super(scope)
    this.#printed = printed
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    spendSteps(COSTS.get(node?.type ?? '') ?? 1)
    if (node === undefined) return super.evaluate(node, scope)
    const value = this.#evaluate(node, scope)
    if (isString(value)) checkText(value.value)
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
      case 'Identifier':
        return lookUp(node.value, scope)
      case 'Macro':
        spendSteps(nodesIn(node))
        return super.evaluate(node, scope)
      case 'CallStatement':
        spendSteps(nodesIn(node))
        return super.evaluate({ ...node, call: this.#callOn(node.call, node.call.callee, scope) }, scope)
      case 'FilterStatement': {
        const operand = known(this.evaluate({ type: 'Program', body: node.body }, scope))
        return this.evaluate({ type: 'FilterExpression', operand, filter: node.filter }, scope)
      }
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
    const args = this.#arguments(called ? node.filter.args : [], scope)
    const own = this.#ownFilter(name, operand, args, scope)
    if (own !== undefined) return own
    spendOnOperand(name, operand, called ? node.filter.args : [])
    return super.evaluate({ ...node, operand: known(operand) }, scope)
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

  #arguments(nodes: readonly Node[], scope: Scope): { positional: Value[]; named: Map<string, Value> } {
    const positional: Value[] = []
    const named = new Map<string, Value>()
    for (const node of nodes) {
      if (node.type === 'KeywordArgumentExpression') {
        named.set(node.key.value, this.evaluate(node.value, scope))
        continue
      }
      const spread = node.type === 'SpreadExpression' || node.type === 'KeywordSpreadExpression'
      const value = this.evaluate(spread ? node.argument : node, scope)
      if (!spread) {
        positional.push(value)
      } else if (node.type === 'SpreadExpression' && isList(value)) {
        spendItems(value.value.length)
        for (const item of value.value) positional.push(item)
      } else if (node.type === 'KeywordSpreadExpression' && isMapping(value)) {
        spendItems(value.value.size)
        for (const [key, item] of value.value) named.set(key, item)
      } else {
        throw new Error('only lists and mappings can be unpacked')
      }
    }
    return { positional, named }
  }

  #call(node: Node, scope: Scope): Value {
    const { callee } = node
    if (callee.type !== 'MemberExpression' || callee.computed) {
      return super.evaluate(this.#callOn(node, callee, scope), scope)
    }
    const object = this.evaluate(callee.object, scope)
    const bound = { ...callee, object: known(object) }
    const name = callee.property.value as string
    if (isMapping(object)) spendOnOperand(name, object, [])
    if (!isString(object)) return super.evaluate(this.#callOn(node, bound, scope), scope)
    const args = this.#arguments(node.args, scope)
    spendCharacters(object.value.length)
    const count = args.named.get('count')
    if (name === 'replace' && count !== undefined)
      return stringMethods.replace!(object.value, [...args.positional, count])
    if (Object.hasOwn(stringMethods, name) && args.named.size === 0) {
      return stringMethods[name]!(object.value, args.positional)
    }
    for (const prefix of args.positional) {
      for (const item of isList(prefix) ? prefix.value : [prefix]) {
        spendSteps(1)
        if (isString(item)) spendCharacters(Math.min(item.value.length, object.value.length))
      }
    }
    return super.evaluate({ ...node, callee: bound, args: knownArguments(args) }, scope)
  }

  /** The call with its arguments evaluated. A callee of the library copies what it is given. */
  #callOn(call: Node, callee: Node, scope: Scope): Node {
    const args = this.#arguments(call.args, scope)
    for (const value of args.positional) {
      if (isList(value)) spendSteps(2 * value.value.length)
      else if (isMapping(value)) spendSteps(2 * value.value.size)
    }
    return { ...call, callee, args: knownArguments(args) }
  }

  /** A character of a string is a code point. */
  #member(node: Node, scope: Scope): Value {
    if (!node.computed) return super.evaluate(node, scope)
    const object = this.evaluate(node.object, scope)
    const bound = { ...node, object: known(object) }
    if (node.property.type === 'SliceExpression') {
      if (!isString(object)) {
        if (isList(object)) spendSteps(object.value.length)
        return super.evaluate(bound, scope)
      }
      const { start, stop, step } = node.property
      const given = [start, stop, step].map((part) => this.evaluate(part, scope))
      return string(sliced(object.value, given))
    }
    const property = this.evaluate(node.property, scope)
    if (!isString(object) || property.type !== 'IntegerValue') {
      return super.evaluate({ ...bound, property: known(property) }, scope)
    }
    return toValue(pointOf(object.value, property.value as number))
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
    const chars = isString(iterable) ? itemsOf(iterable) : undefined
    const items = chars === undefined ? iterable : list(chars)
    if (isList(items)) spendSteps(STEPS_PER_TURN * items.value.length)
    else if (isMapping(items)) spendSteps(STEPS_PER_TURN * items.value.size)
    const source = chosen ? { ...node.iterable, lhs: known(items) } : known(items)
    return super.evaluate({ ...node, iterable: source }, scope)
  }
}

/** More than one step: these raise and catch errors, or make the library build tables. */
const COSTS: ReadonlyMap<string, number> = new Map([
  ['Break', 20],
  ['Continue', 20],
  ['MemberExpression', 4],
  ['CallExpression', 4],
  ['CallStatement', 4],
])

/** A macro's body is gone through where it is defined. */
function nodesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const parts = value instanceof Map ? [...value].flat() : Object.values(value)
  return parts.reduce<number>((sum, part) => sum + nodesIn(part), 1)
}

function lookUp(name: string, scope: Scope): Value {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    spendSteps(1)
    const value = at.variables.get(name)
    if (value !== undefined) return value
  }
  return toValue(undefined)
}

/** What the library goes through to apply its own filter or method. */
function spendOnOperand(name: string, operand: Value, args: readonly Node[]): void {
  if (isString(operand)) spendCharacters(2 * operand.value.length)
  if (!isList(operand) && !isMapping(operand)) return
  const items = isList(operand) ? operand.value : [...operand.value.values()]
  if (name === 'get') return
  spendItems(items.length)
  if (isMapping(operand)) for (const key of operand.value.keys()) spendCharacters(key.length)
  const sorts = name === 'sort' || name === 'dictsort'
  const comparisons = sorts ? 2 * Math.ceil(Math.log2(items.length + 2)) : 1
  if (sorts) spendSteps(items.length * comparisons)
  const written = args.reduce((sum, { value }) => sum + (typeof value === 'string' ? value.length : 0), 0)
  spendCharacters(written * items.length * comparisons)
  for (const item of items) {
    for (const part of isMapping(item) ? item.value.values() : isList(item) ? item.value : [item]) {
      spendSteps(1)
      if (isString(part)) spendCharacters(part.value.length * comparisons)
    }
  }
}

function checkText(text: string): void {
  if (text.length > MAX_TEXT) throw new Error('the template makes too long a text')
}

function knownArguments({
  positional,
  named,
}: {
  positional: readonly Value[]
  named: ReadonlyMap<string, Value>
}): Node[] {
  const keywords = [...named].map(([name, value]) => ({
    type: 'KeywordArgumentExpression',
    key: identifier(name),
    value: known(value),
  }))
  return [...positional.map(known), ...keywords]
}

function known(value: Value): Node {
  return { type: 'Known', value }
}

function identifier(name: string): Node {
  return { type: 'Identifier', value: name }
}

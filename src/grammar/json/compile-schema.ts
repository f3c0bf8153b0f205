import { WarplineError } from '../../errors.js'
import { tooComplex } from '../errors.js'
import { choice, type Expression, type Grammar, NOTHING, rule, text } from '../expression.js'
import { GRAMMAR_LIMITS } from '../limits.js'
import { ANY_OBJECT, anyValueRules } from './any-value.js'
import { arrayExpression } from './arrays.js'
import { areDisjoint } from './disjoint.js'
import { mergeSchemas, withoutAnnotations } from './merge.js'
import { objectExpression } from './objects.js'
import { numberExpression, stringExpression } from './scalars.js'
import {
  asSchema,
  invalidSchema,
  KEYWORDS_OF,
  list,
  type Schema,
  type SchemaType,
  typesOf,
  unsupportedSchema,
} from './schema.js'
import { satisfies } from './value-check.js'

const MOST_RULES = 2 ** 13
/** Schemas merged or referred to without any text in between. */
const MOST_STEPS = 128

/** Turns schemas into expressions; parts that stand in several places become rules. */
export interface SchemaRules {
  /** What a schema allows. */
  of(schema: unknown, path: string): Expression
  /** Adds a rule of this content and returns its name. */
  add(purpose: string, body: Expression): string
  readonly rules: Map<string, Expression>
}

/**
 * The JSON texts that satisfy a schema, written with little white space, properties in the schema's order. Every text of the
 * grammar is valid; not every valid text is in it (the choices are told at each keyword). Keywords that are not supported are
 * refused. Errors: `schema-invalid`, `schema-unsupported`, `grammar-too-complex` and those of regular expressions.
 */
export function schemaGrammar(schema: unknown): Grammar {
  const rules = anyValueRules()
  return { root: schemaExpression(schema, rules), rules }
}

/** The same as part of a grammar whose rules are `rules`, begun with `anyValueRules`. */
export function schemaExpression(schema: unknown, rules: Map<string, Expression>): Expression {
  return new SchemaCompiler(copyOf(schema), rules).expression()
}

/** Any JSON object. */
export function anyObjectGrammar(): Grammar {
  return { root: ANY_OBJECT, rules: anyValueRules() }
}

/** What is compiled is what was counted: no getters, no cycles, nothing that JSON cannot say. */
function copyOf(schema: unknown): unknown {
  let written: string | undefined
  try {
    written = JSON.stringify(schema)
  } catch (error) {
    throw invalidSchema('#', `it cannot be written as JSON (${error instanceof Error ? error.name : 'unknown reason'})`)
  }
  if (written === undefined) throw invalidSchema('#', 'a schema is an object, true or false')
  if (written.length > GRAMMAR_LIMITS.schemaLength) {
    throw tooComplex(`the schema has over ${GRAMMAR_LIMITS.schemaLength} characters`)
  }
  return JSON.parse(written)
}

class SchemaCompiler implements SchemaRules {
  private readonly named = new Map<unknown, string>()
  private steps = 0
  private depth = 0

  constructor(
    private readonly root: unknown,
    readonly rules: Map<string, Expression>,
  ) {}

  expression(): Expression {
    return this.of(this.root, '#')
  }

  of(value: unknown, path: string): Expression {
    if (value === false) return NOTHING
    if (value === true) return rule('value')
    const known = this.named.get(value)
    if (known !== undefined) return rule(known)
    const schema = asSchema(value, path)
    const name = this.add('schema', NOTHING)
    this.named.set(value, name)
    if (++this.depth > GRAMMAR_LIMITS.depth) throw tooComplex(`the schema is nested over ${GRAMMAR_LIMITS.depth} deep`)
    this.rules.set(name, this.resolved(withoutAnnotations(schema), path, 0))
    this.depth--
    return rule(name)
  }

  add(purpose: string, body: Expression): string {
    if (this.rules.size >= MOST_RULES) throw tooComplex(`the schema comes to over ${MOST_RULES} parts`)
    const name = `${purpose} ${this.rules.size}`
    this.rules.set(name, body)
    return name
  }

  /** References and combinations first, so that what is left speaks of one value. */
  private resolved(schema: Schema, path: string, steps: number): Expression {
    if (steps > MOST_STEPS || ++this.steps > MOST_RULES)
      throw tooComplex('the schema refers to itself or combines too much')
    const { $ref, allOf, anyOf, oneOf, ...rest } = schema
    const plain = Object.keys(rest).length === 0
    if ($ref !== undefined) {
      const { target, at } = this.lookUp($ref, path)
      if (plain && allOf === undefined && anyOf === undefined && oneOf === undefined) return this.of(target, at)
      const others = withoutUndefined({ ...rest, allOf, anyOf, oneOf })
      return this.resolved(this.merge([others, this.expanded(target, at)], path), path, steps + 1)
    }
    if (allOf !== undefined) {
      const parts = list(schema, 'allOf', path)!.map((part, i) => this.expanded(part, `${path}/allOf/${i}`))
      return this.resolved(this.merge([withoutUndefined({ ...rest, anyOf, oneOf }), ...parts], path), path, steps + 1)
    }
    if (anyOf !== undefined) return this.alternatives({ ...rest, oneOf }, 'anyOf', schema, path, steps)
    if (oneOf !== undefined) return this.alternatives(rest, 'oneOf', schema, path, steps)
    return this.value(rest, path)
  }

  /** Parts of `allOf` may be references and combinations themselves: those are joined where nothing else is. */
  private merge(parts: readonly Schema[], path: string): Schema {
    return parts.reduce((joined, part) => {
      const nested = part.allOf === undefined ? [] : list(part, 'allOf', path)!
      const others = joined.allOf === undefined ? [] : list(joined, 'allOf', path)!
      const { allOf: _a, ...a } = joined
      const { allOf: _b, ...b } = part
      const merged = mergeSchemas(a, b, path)
      return nested.length + others.length > 0 ? { ...merged, allOf: [...others, ...nested] } : merged
    })
  }

  private alternatives(rest: Schema, kind: 'anyOf' | 'oneOf', schema: Schema, path: string, steps: number): Expression {
    const options = list(schema, kind, path)!
    if (options.length === 0) throw invalidSchema(path, `${kind} must have at least one schema`)
    const others = withoutUndefined(rest)
    const parts = options.map((option, i) => this.expanded(option, `${path}/${kind}/${i}`))
    if (kind === 'oneOf') this.checkDisjoint(parts, path)
    if (Object.keys(others).length === 0) {
      return choice(...options.map((option, i) => this.of(option, `${path}/${kind}/${i}`)))
    }
    const merged = parts.flatMap((part, i) => {
      try {
        return [this.resolved(this.merge([others, part], `${path}/${kind}/${i}`), `${path}/${kind}/${i}`, steps + 1)]
      } catch (error) {
        // An alternative that contradicts what stands beside it is none.
        if (error instanceof WarplineError && error.code === 'schema-invalid') return []
        throw error
      }
    })
    return choice(...merged)
  }

  /** `oneOf` forbids what two alternatives allow. Where nothing can be both, it is `anyOf`. */
  private checkDisjoint(parts: readonly Schema[], path: string): void {
    const whole = parts.map((part) => this.dereferenced(part, path))
    for (const [i, a] of whole.entries()) {
      for (const b of whole.slice(0, i)) {
        if (areDisjoint(a, b, (value) => this.dereferenced(this.part(value, path), path), 0)) continue
        throw unsupportedSchema(
          path,
          'oneOf is supported only where no value can satisfy two alternatives (a property that all require and that ' +
            'differs by const, or different types); use anyOf',
        )
      }
    }
  }

  private dereferenced(schema: Schema, path: string): Schema {
    let found = schema
    for (let step = 0; found.$ref !== undefined; step++) {
      if (step > MOST_STEPS) throw tooComplex('the schema refers to itself')
      const { target, at } = this.lookUp(found.$ref, path)
      found = this.part(target, at)
    }
    return found
  }

  /** Without a reference, so that it can be merged. */
  private expanded(value: unknown, path: string): Schema {
    let schema = this.part(value, path)
    for (let step = 0; schema.$ref !== undefined; step++) {
      if (step > MOST_STEPS || ++this.steps > MOST_RULES) throw tooComplex('the schema refers to itself')
      const { $ref, ...rest } = schema
      const { target, at } = this.lookUp($ref, path)
      schema = this.merge([rest, this.part(target, at)], path)
    }
    return schema
  }

  private part(value: unknown, path: string): Schema {
    if (value === false) return { enum: [] }
    return withoutAnnotations(asSchema(value, path))
  }

  private lookUp(reference: unknown, path: string): { target: unknown; at: string } {
    if (typeof reference !== 'string') throw invalidSchema(path, '$ref must be a text')
    if (reference !== '#' && !reference.startsWith('#/')) {
      throw unsupportedSchema(
        path,
        `$ref ${JSON.stringify(reference.slice(0, 60))}: only references within the schema (#/...) are supported`,
      )
    }
    let target = this.root
    for (const step of reference.split('/').slice(1)) {
      const name = decode(step).replaceAll('~1', '/').replaceAll('~0', '~')
      const known: boolean = typeof target === 'object' && target !== null && Object.hasOwn(target, name)
      if (!known) throw invalidSchema(path, `$ref ${JSON.stringify(reference.slice(0, 60))} leads nowhere`)
      target = (target as Record<string, unknown>)[name]
    }
    return { target, at: reference }
  }

  private value(schema: Schema, path: string): Expression {
    if (schema.enum !== undefined || schema.const !== undefined) return this.listed(schema, path)
    const types = typesOf(schema, path)
    return choice(...types.map((type) => this.ofType(type, schema, path)))
  }

  private listed(schema: Schema, path: string): Expression {
    const values = schema.enum === undefined ? [schema.const] : list(schema, 'enum', path)!
    const allowed = values.filter((value) => satisfies(value, schema, path))
    return choice(...allowed.map((value) => text(JSON.stringify(value))))
  }

  private ofType(type: SchemaType, schema: Schema, path: string): Expression {
    switch (type) {
      case 'null':
        return text('null')
      case 'boolean':
        return choice(text('true'), text('false'))
      case 'string':
        return speaksOf(schema, 'string') ? stringExpression(schema, path) : rule('string')
      case 'integer':
      case 'number':
        return speaksOf(schema, 'number') ? numberExpression(type, schema, path, this) : rule(type)
      case 'array':
        return speaksOf(schema, 'array') ? arrayExpression(schema, path, this) : rule('array')
      case 'object':
        return speaksOf(schema, 'object') ? objectExpression(schema, path, this) : rule('object')
    }
  }
}

function speaksOf(schema: Schema, kind: keyof typeof KEYWORDS_OF): boolean {
  return KEYWORDS_OF[kind].some((keyword) => schema[keyword] !== undefined)
}

function withoutUndefined(schema: Schema): Schema {
  return Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined))
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

import { WarplineError } from '../errors.js'
import { isHarmless, isInert, mayChangeMathematics } from './config-fields.js'

/** A field, or the names that several versions of a family gave it, the usual one first. */
export type Names = string | readonly [string, ...string[]]

export interface Range {
  readonly min?: number
  readonly max?: number
}

interface Found {
  readonly name: string
  /** Undefined where no name is there, null where it is written so. */
  readonly value: unknown
}

/**
 * Reads a checkpoint's config.json, which nobody has checked: every read says what it allows, and remembers the field,
 * so that `finish` can refuse what was left unread. A missing field takes the fallback, and so does null unless a method
 * says otherwise. Throws `config-invalid` for values that cannot be and `config-unsupported` for ones that other engines
 * understand.
 */
export class Config {
  private readonly fields: ReadonlyMap<string, unknown>
  private readonly known = new Set<string>()

  /** `path` names an inner object in messages. */
  constructor(
    fields: Readonly<Record<string, unknown>>,
    private readonly path = '',
  ) {
    this.fields = new Map(Object.entries(fields))
  }

  /** Whole number; required where no fallback is given. */
  int(names: Names, fallback?: number, range: Range = {}): number {
    const found = this.find(names)
    return this.checkInt(found, found.value ?? fallback, range)
  }

  /** Whole number or none: null means none, a missing field the fallback. */
  intOrNone(names: Names, fallback: number | undefined, range: Range = {}): number | undefined {
    const found = this.find(names)
    const value = found.value === undefined ? fallback : found.value
    return value === undefined || value === null ? undefined : this.checkInt(found, value, range)
  }

  /** Finite number. */
  number(names: Names, fallback?: number, range: Range = {}): number {
    const found = this.find(names)
    return this.checkNumber(found, found.value ?? fallback, range)
  }

  /** Finite number or none: null means none, a missing field the fallback. */
  numberOrNone(names: Names, fallback: number | undefined, range: Range = {}): number | undefined {
    const found = this.find(names)
    const value = found.value === undefined ? fallback : found.value
    return value === undefined || value === null ? undefined : this.checkNumber(found, value, range)
  }

  bool(names: Names, fallback: boolean): boolean {
    const { name, value } = this.find(names)
    if (value === undefined || value === null) return fallback
    return typeof value === 'boolean' ? value : this.invalid(name, 'true or false')
  }

  /** One of `allowed`; any other string is somebody's, only not supported here. */
  oneOf<T extends string>(names: Names, allowed: readonly T[], fallback: T): T {
    const { name, value } = this.find(names)
    if (value === undefined || value === null) return fallback
    if (typeof value !== 'string') this.invalid(name, `one of ${allowed.join(', ')}`)
    return allowed.find((choice) => choice === value) ?? this.unsupported(name, `supported are ${allowed.join(', ')}`)
  }

  object(name: string): Readonly<Record<string, unknown>> | undefined {
    const { value } = this.find(name)
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'object' || Array.isArray(value)) this.invalid(name, 'an object')
    return value as Record<string, unknown>
  }

  list(name: string): readonly unknown[] | undefined {
    const { value } = this.find(name)
    if (value === undefined || value === null) return undefined
    return Array.isArray(value) ? value : this.invalid(name, 'a list')
  }

  /** There and not null. */
  has(name: string): boolean {
    const value = this.fields.get(name)
    return value !== undefined && value !== null
  }

  /** A field with one supported value; `why` continues the message "only VALUE is supported". */
  expect(name: string, value: unknown, why: string): void {
    this.known.add(name)
    if (this.has(name) && this.fields.get(name) !== value)
      this.unsupported(name, `only ${shown(value)} is supported ${why}`)
  }

  /** Fields that this model does not use, whatever they hold. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.known.add(name)
  }

  /** Refuses fields that were not read and may change the mathematics; see config-fields.ts for the rule. */
  finish(user: string): void {
    for (const [name, value] of this.fields) {
      if (this.known.has(name) || isHarmless(name) || isInert(name, value)) continue
      if (this.path === '' && !mayChangeMathematics(name)) continue
      const advice = 'if it does not change what the model computes, remove it from config.json'
      this.unsupported(name, `${user} does not know this field; ${advice}`)
    }
  }

  invalid(names: Names, allowed: string): never {
    const { name, value } = this.find(names)
    const state = value === undefined ? 'is missing' : `is ${shown(value)}`
    throw new WarplineError('config-invalid', `config.json: ${this.quote(name)} ${state}; it must be ${allowed}`)
  }

  unsupported(names: Names, reason: string): never {
    const { name, value } = this.find(names)
    throw new WarplineError('config-unsupported', `config.json: ${this.quote(name)} is ${shown(value)}; ${reason}`)
  }

  private find(names: Names): Found {
    const all = typeof names === 'string' ? [names] : names
    for (const name of all) this.known.add(name)
    const there = all.filter((name) => this.has(name))
    const name = there[0] ?? all.find((candidate) => this.fields.has(candidate)) ?? all[0]!
    const value = this.fields.get(name)
    const other = there.find((candidate) => this.fields.get(candidate) !== value)
    if (other !== undefined) {
      const problem = `${this.quote(name)} is ${shown(value)} and ${this.quote(other)} ${shown(this.fields.get(other))}`
      throw new WarplineError('config-invalid', `config.json: ${problem}; both name the same thing: keep one`)
    }
    return { name, value }
  }

  private checkInt(found: Found, value: unknown, { min = 1, max = Number.MAX_SAFE_INTEGER }: Range): number {
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
    return this.invalid(found.name, `a whole number from ${min} to ${max}`)
  }

  private checkNumber(
    found: Found,
    value: unknown,
    { min = -Number.MAX_VALUE, max = Number.MAX_VALUE }: Range,
  ): number {
    if (typeof value === 'number' && value >= min && value <= max) return value
    return this.invalid(found.name, `a number from ${min} to ${max}`)
  }

  private quote(name: string): string {
    return shown(this.path ? `${this.path}.${name}` : name)
  }
}

/** A value from the file as it may stand in a one-line message: bounded, and nothing that steers a terminal. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  const short = text.length > 80 ? `${text.slice(0, 77)}...` : text
  return short.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

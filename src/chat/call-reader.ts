import type { OutputEvent } from './events.js'

const SPACE = /[ \t\r\n]/
const MOST_NAME = 256

/**
 * Reads one call, an object `{"name": ..., "arguments": {...}}` (or `parameters`), a character at a time. The name is told
 * when it and the arguments' beginning (or the object's end) are known, so that what is no call after all can be
 * given back whole; from then on arguments are told as they come.
 */
export class CallReader {
  /** All that was read. */
  raw = ''
  /** `closed`: the object has ended; `broken`: it is no such object, and the last character was not taken. */
  status: 'open' | 'closed' | 'broken' = 'open'
  /** Whether the name was told. */
  announced = false
  private expects: 'object' | 'first-key' | 'key' | 'colon' | 'value' | 'comma' = 'object'
  private value: ValueReader | undefined
  private key = ''
  private inKey = true
  private name: string | undefined
  /** Arguments that came before the name. */
  private waiting = ''
  private hasArguments = false

  constructor(private readonly isKnown: (name: string) => boolean = () => true) {}

  push(character: string): OutputEvent[] {
    const events = this.take(character)
    if (this.status !== 'broken') this.raw += character
    return events
  }

  private take(character: string): OutputEvent[] {
    if (this.value) return this.inValue(character)
    if (SPACE.test(character)) return []
    switch (this.expects) {
      case 'object':
        return this.expect(character === '{', 'first-key')
      case 'first-key':
        if (character === '}') return this.close()
        return this.beginKey(character)
      case 'key':
        return this.beginKey(character)
      case 'colon':
        return this.expect(character === ':', 'value')
      case 'value':
        return this.beginValue(character)
      case 'comma':
        if (character === '}') return this.close()
        return this.expect(character === ',', 'key')
    }
  }

  private expect(as: boolean, next: CallReader['expects']): OutputEvent[] {
    if (as) this.expects = next
    else this.status = 'broken'
    return []
  }

  private beginKey(character: string): OutputEvent[] {
    if (character !== '"') return this.expect(false, 'key')
    this.inKey = true
    this.value = new ValueReader()
    this.value.push(character)
    return []
  }

  private beginValue(character: string): OutputEvent[] {
    this.inKey = false
    this.value = new ValueReader()
    const isArguments = this.isArguments && !this.hasArguments
    if (isArguments) this.hasArguments = true
    const events = isArguments && this.name !== undefined ? this.announce() : []
    return [...events, ...this.inValue(character)]
  }

  private get isArguments(): boolean {
    return this.key === 'arguments' || this.key === 'parameters'
  }

  private inValue(character: string): OutputEvent[] {
    const value = this.value!
    const taken = value.push(character)
    if (value.broken || (!this.isArguments && value.text.length > MOST_NAME && (this.inKey || this.key === 'name'))) {
      this.status = 'broken'
      return []
    }
    const events = this.isArguments && !this.inKey ? this.arguments(taken ? character : '') : []
    if (!value.done) return events
    this.value = undefined
    events.push(...this.endValue(value))
    // A number or word ends with the character after it.
    if (!taken && this.status === 'open') events.push(...this.take(character))
    return events
  }

  /** A string of arguments is told when it has ended: it may hold JSON of its own. */
  private arguments(text: string): OutputEvent[] {
    if (this.value!.text.startsWith('"')) return []
    if (this.announced) return text === '' ? [] : [{ kind: 'arguments', text }]
    this.waiting += text
    return []
  }

  private endValue(value: ValueReader): OutputEvent[] {
    if (this.inKey) {
      this.key = textOf(value.text) ?? ''
      this.expects = 'colon'
      return []
    }
    this.expects = 'comma'
    if (this.key === 'name' && this.name === undefined) {
      const name = textOf(value.text)
      if (name === undefined || name === '' || !this.isKnown(name)) {
        this.status = 'broken'
        return []
      }
      this.name = name
      return this.waiting === '' ? [] : this.announce()
    }
    if (!this.isArguments || !value.text.startsWith('"')) return []
    const text = textOf(value.text) ?? value.text
    if (this.announced) return [{ kind: 'arguments', text }]
    this.waiting += text
    return []
  }

  private announce(): OutputEvent[] {
    this.announced = true
    const { waiting } = this
    const call: OutputEvent = { kind: 'call', name: this.name! }
    return waiting === '' ? [call] : [call, { kind: 'arguments', text: waiting }]
  }

  private close(): OutputEvent[] {
    if (this.name === undefined) {
      this.status = 'broken'
      return []
    }
    this.status = 'closed'
    const events = this.announced ? [] : this.announce()
    if (!this.hasArguments) events.push({ kind: 'arguments', text: '{}' })
    return [...events, { kind: 'call-end' }]
  }
}

/** Finds where a JSON value ends, without looking at more of its form than that takes. */
export class ValueReader {
  text = ''
  done = false
  broken = false
  private depth = 0
  private inString = false
  private escaped = false

  /** Whether the character belongs to the value. */
  push(character: string): boolean {
    if (!this.inString && this.depth === 0 && this.text !== '' && /[,}\]\s]/.test(character)) {
      this.done = true
      return false
    }
    this.text += character
    if (this.inString) this.withinString(character)
    else this.outsideString(character)
    return true
  }

  private withinString(character: string): void {
    if (this.escaped) this.escaped = false
    else if (character === '\\') this.escaped = true
    else if (character === '"') {
      this.inString = false
      this.done = this.depth === 0
    }
  }

  private outsideString(character: string): void {
    if (character === '"') this.inString = true
    else if (character === '{' || character === '[') this.depth++
    else if (character === '}' || character === ']') {
      this.done = --this.depth === 0
      this.broken = this.depth < 0
    } else if (this.depth === 0 && !/[-+.\w]/.test(character)) this.broken = true
  }
}

function textOf(json: string): string | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

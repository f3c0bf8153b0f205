import { ByCharacter } from './by-character.js'
import { CallReader, ValueReader } from './call-reader.js'
import { Content } from './content.js'
import { Marker } from './marker.js'

export const TOOL_CALLS = '[TOOL_CALLS]'
export const ARGS = '[ARGS]'
const CALL_ID = '[CALL_ID]'
const MOST_HEAD = 256

/**
 * Mistral's calls: `[TOOL_CALLS][{"name": ..., "arguments": {...}}, ...]`, or in newer models, once for each call,
 * `[TOOL_CALLS]name[ARGS]{...}`.
 */
export class MistralReader extends ByCharacter {
  private readonly content = new Content()
  private readonly marker = new Marker(TOOL_CALLS)
  private call = new CallReader()
  private head = ''
  private value = new ValueReader()
  private told = false
  private state: 'text' | 'head' | 'list' | 'call' | 'arguments' = 'text'

  protected take(character: string): void {
    switch (this.state) {
      case 'text': {
        const text = this.marker.take(character)
        if (text === undefined) this.beginHead()
        else this.tell(this.content.push(text))
        return
      }
      case 'head':
        this.readHead(character)
        return
      case 'list':
        this.readList(character)
        return
      case 'call':
        this.readCall(character)
        return
      case 'arguments':
        this.readArguments(character)
    }
  }

  protected end(): void {
    if (this.state === 'text') this.tell(this.content.push(this.marker.finish()))
    if (this.state === 'head') this.giveBack('')
    if (this.state === 'list' && !this.told) this.giveBack('')
    if (this.state === 'call' && !this.told && !this.call.announced) this.giveBack(this.call.raw)
    // A bare number or word of arguments ends with the text.
    this.tell(this.content.finish())
  }

  private beginHead(): void {
    this.head = ''
    this.told = false
    this.state = 'head'
  }

  /** A list of calls begins with a bracket that is not the one of [ARGS]; otherwise a name ends at [ARGS] or a brace. */
  private readHead(character: string): void {
    const head = (this.head + character).trimStart()
    this.head += character
    if (head === '[' || head === '{') {
      this.state = 'list'
      if (head === '{') {
        this.head = this.head.slice(0, -1)
        this.readList(character)
      }
      return
    }
    const name = /^([\w.-]+)\s*(?:\[CALL_ID\]\s*\w*\s*)?(?:\[ARGS\]\s*)?\{$/.exec(head)?.[1]
    if (name !== undefined) {
      this.content.call()
      this.told = true
      this.tell([{ kind: 'call', name }])
      this.value = new ValueReader()
      this.state = 'arguments'
      this.readArguments(character)
    } else if (!mayBecomeHead(head)) {
      this.giveBack('')
    }
  }

  private readList(character: string): void {
    if (character === '{') {
      this.call = new CallReader()
      this.state = 'call'
      this.readCall(character)
      return
    }
    if (/[\s,]/.test(character)) {
      if (!this.told) this.head += character
      return
    }
    const ended = character === ']' && this.told
    if (ended) this.state = 'text'
    else if (this.told) {
      this.state = 'text'
      this.take(character)
    } else {
      this.giveBack('')
      this.take(character)
    }
  }

  private readCall(character: string): void {
    const events = this.call.push(character)
    if (this.call.announced) {
      this.told = true
      this.content.call()
    }
    this.tell(events)
    if (this.call.status === 'closed') this.state = 'list'
    if (this.call.status !== 'broken') return
    if (this.told) this.state = 'text'
    else this.giveBack(this.call.raw)
    this.take(character)
  }

  private readArguments(character: string): void {
    this.value.push(character)
    this.tell([{ kind: 'arguments', text: character }])
    if (!this.value.done) return
    this.tell([{ kind: 'call-end' }])
    this.state = 'text'
  }

  private giveBack(more: string): void {
    this.tell(this.content.push(TOOL_CALLS + this.head + more))
    this.state = 'text'
  }
}

function mayBecomeHead(head: string): boolean {
  if (head === '') return true
  if (head.length > MOST_HEAD) return false
  const [, rest] = /^[\w.-]+\s*(.*)$/s.exec(head) ?? []
  if (rest === undefined) return false
  const afterId = rest.startsWith(CALL_ID) ? rest.slice(CALL_ID.length).replace(/^\s*\w*\s*/, '') : rest
  return (
    [CALL_ID, ARGS].some((mark) => mark.startsWith(afterId)) ||
    (afterId.startsWith(ARGS) && afterId.slice(ARGS.length).trim() === '')
  )
}

import { randomBytes } from 'node:crypto'
import type { OutputEvent, OutputReader } from '../chat/index.js'
import type { ToolCall, ToolCallDelta } from './chat-types.js'

/** How a chat's answers are read. */
export interface AnswerFormat {
  /** One for each answer. */
  readonly reader: () => OutputReader
  /** Whether calls are looked for. */
  readonly tools: boolean
  /** An answer ends with its first call. */
  readonly oneCall: boolean
  /** Control tokens that the reader has to see. */
  readonly shownIds: ReadonlySet<number>
  readonly callIds: 'openai' | 'mistral'
}

/** What a piece of text brings to an answer. */
export interface AnswerPart {
  readonly text: string
  readonly reasoning?: string
  readonly toolCalls?: readonly ToolCallDelta[]
}

/** Collects an answer's content, reasoning and calls. */
export class AnswerBuilder {
  private content = ''
  private reasoning = ''
  private readonly calls: { id: string; name: string; text: string }[] = []
  private readonly reader: OutputReader
  /** Its only call is complete. */
  done = false

  constructor(private readonly format: AnswerFormat) {
    this.reader = format.reader()
  }

  get hasCalls(): boolean {
    return this.calls.length > 0
  }

  push(text: string): AnswerPart {
    return this.take(this.reader.push(text))
  }

  finish(): AnswerPart {
    return this.done ? { text: '' } : this.take(this.reader.finish())
  }

  result(): { text: string; reasoning?: string; toolCalls?: readonly ToolCall[] } {
    const toolCalls = this.calls.map(({ id, name, text }): ToolCall => {
      return { id, type: 'function', function: { name, arguments: text } }
    })
    return {
      text: this.content,
      ...(this.reasoning !== '' && { reasoning: this.reasoning }),
      ...(this.format.tools && { toolCalls }),
    }
  }

  private take(events: readonly OutputEvent[]): AnswerPart {
    let text = ''
    let reasoning = ''
    const toolCalls: ToolCallDelta[] = []
    for (const event of events) {
      if (this.done) break
      switch (event.kind) {
        case 'content':
          text += event.text
          break
        case 'reasoning':
          reasoning += event.text
          break
        case 'call':
          toolCalls.push(this.begin(event.name))
          break
        case 'arguments':
          toolCalls.push(this.extend(event.text))
          break
        case 'call-end':
          this.done = this.format.oneCall
      }
    }
    this.content += text
    this.reasoning += reasoning
    return { text, ...(reasoning !== '' && { reasoning }), ...(toolCalls.length > 0 && { toolCalls }) }
  }

  private begin(name: string): ToolCallDelta {
    const id = newId(this.format.callIds)
    const index = this.calls.push({ id, name, text: '' }) - 1
    return { index, id, type: 'function', function: { name, arguments: '' } }
  }

  private extend(text: string): ToolCallDelta {
    this.calls.at(-1)!.text += text
    return { index: this.calls.length - 1, function: { arguments: text } }
  }
}

/** Mistral's templates refuse ids of another form. */
function newId(form: AnswerFormat['callIds']): string {
  if (form === 'openai') return `call_${randomBytes(12).toString('hex')}`
  return randomBytes(8).toString('hex').slice(0, 9)
}

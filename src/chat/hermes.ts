import { ByCharacter } from './by-character.js'
import { CallReader } from './call-reader.js'
import { Content } from './content.js'
import { Marker } from './marker.js'

export const HERMES_OPEN = '<tool_call>'
export const HERMES_CLOSE = '</tool_call>'

/**
 * Hermes' and Qwen's calls: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, any number of them, with text around.
 * A block without a call in it is text.
 */
export class HermesReader extends ByCharacter {
  private readonly content = new Content()
  private readonly open = new Marker(HERMES_OPEN)
  private close = new Marker(HERMES_CLOSE)
  private call = new CallReader()
  private firstOfBlock = true
  private state: 'text' | 'call' | 'after-call' | 'no-call' = 'text'

  protected take(character: string): void {
    switch (this.state) {
      case 'text': {
        const text = this.open.take(character)
        if (text === undefined) this.begin(true)
        else this.tell(this.content.push(text))
        return
      }
      case 'call':
        this.readCall(character)
        return
      case 'after-call':
        // Another call may follow in the same block; whatever else stands there says nothing.
        if (character === '{') {
          this.begin(false)
          this.readCall(character)
        } else if (this.close.take(character) === undefined) this.state = 'text'
        return
      case 'no-call':
        this.tell(this.content.push(character))
        if (this.close.take(character) === undefined) this.state = 'text'
    }
  }

  protected end(): void {
    if (this.state === 'text') this.tell(this.content.push(this.open.finish()))
    if (this.state === 'call' && !this.call.announced && this.firstOfBlock) this.giveBack()
    this.tell(this.content.finish())
  }

  private begin(firstOfBlock: boolean): void {
    this.firstOfBlock = firstOfBlock
    this.call = new CallReader()
    this.close = new Marker(HERMES_CLOSE)
    this.state = 'call'
  }

  private readCall(character: string): void {
    const events = this.call.push(character)
    if (this.call.announced) this.content.call()
    this.tell(events)
    if (this.call.status === 'closed') this.state = 'after-call'
    if (this.call.status !== 'broken') return
    // What was told stands; of the rest only the block's end matters.
    this.state = 'after-call'
    if (!this.call.announced && this.firstOfBlock) {
      this.giveBack()
      this.state = 'no-call'
    }
    this.take(character)
  }

  private giveBack(): void {
    this.tell(this.content.push(HERMES_OPEN + this.call.raw))
  }
}

import { ByCharacter } from './by-character.js'
import { CallReader } from './call-reader.js'
import { Content } from './content.js'

export const PYTHON_TAG = '<|python_tag|>'

/**
 * Llama 3's calls: the whole answer is `{"name": ..., "parameters": {...}}`, perhaps behind `<|python_tag|>`, or several
 * separated by semicolons. Nothing marks a call, so only objects that name one of the tools are calls; all else is text.
 */
export class Llama3Reader extends ByCharacter {
  private readonly content = new Content()
  private readonly isTool: (name: string) => boolean
  private call: CallReader | undefined
  /** White space, separators and a tag that come out if no call follows. */
  private before = ''
  private state: 'before' | 'call' | 'text' = 'before'

  constructor(tools: readonly string[]) {
    super()
    this.isTool = (name) => tools.includes(name)
  }

  protected take(character: string): void {
    if (this.state === 'text') this.tell(this.content.push(character))
    else if (this.state === 'call') this.readCall(character)
    else if (character === '{') {
      this.call = new CallReader(this.isTool)
      this.state = 'call'
      this.readCall(character)
    } else {
      this.before += character
      const rest = this.before.replace(/^[\s;]+/, '')
      if (rest !== '' && !PYTHON_TAG.startsWith(rest.trimEnd())) this.becomeText('')
    }
  }

  protected end(): void {
    if (this.state === 'call' && !this.call!.announced) this.becomeText(this.call!.raw)
    else if (this.state === 'before' && !this.isSeparator(this.before)) this.becomeText('')
    this.tell(this.content.finish())
  }

  private readCall(character: string): void {
    const call = this.call!
    const events = call.push(character)
    if (call.announced) {
      this.before = ''
      this.content.call()
    }
    this.tell(events)
    if (call.status === 'closed') this.state = 'before'
    if (call.status !== 'broken') return
    if (call.announced) this.state = 'text'
    else this.becomeText(call.raw)
    this.take(character)
  }

  private becomeText(more: string): void {
    this.tell(this.content.push(this.before + more))
    this.before = ''
    this.state = 'text'
  }

  private isSeparator(text: string): boolean {
    return this.call?.status === 'closed' && /^[\s;]*$/.test(text)
  }
}

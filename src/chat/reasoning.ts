import { ByCharacter } from './by-character.js'
import { Marker } from './marker.js'

/** How a model sets its reasoning apart from its answer. */
export interface ReasoningMarks {
  readonly open: string
  readonly close: string
}

/** In the order in which a template is searched for them. */
export const REASONING_MARKS: readonly ReasoningMarks[] = [
  { open: '<think>', close: '</think>' },
  { open: '<thinking>', close: '</thinking>' },
  { open: '<reasoning>', close: '</reasoning>' },
  { open: '<seed:think>', close: '</seed:think>' },
  { open: '[THINK]', close: '[/THINK]' },
  { open: '<|START_THINKING|>', close: '<|END_THINKING|>' },
]

/**
 * Tells reasoning at a text's beginning from the answer after it. `opened`: the prompt ends within reasoning already. White
 * space around the marks belongs to neither.
 */
export class ReasoningReader extends ByCharacter {
  private state: 'before' | 'reasoning' | 'after' | 'answer'
  private held = ''
  private space = ''
  private begun = false
  private readonly close: Marker

  constructor(
    private readonly marks: ReasoningMarks,
    opened: boolean,
  ) {
    super()
    this.close = new Marker(marks.close)
    this.state = opened ? 'reasoning' : 'before'
  }

  protected take(character: string): void {
    switch (this.state) {
      case 'before':
        this.lookForOpening(character)
        return
      case 'reasoning': {
        const text = this.close.take(character)
        if (text === undefined) this.state = 'after'
        else for (const each of text) this.reason(each)
        return
      }
      case 'after':
        if (/\s/.test(character)) return
        this.state = 'answer'
        this.tell([{ kind: 'content', text: character }])
        return
      case 'answer':
        this.tell([{ kind: 'content', text: character }])
    }
  }

  protected end(): void {
    if (this.state === 'before') this.tell([{ kind: 'content', text: this.held }])
    if (this.state === 'reasoning') for (const each of this.close.finish()) this.reason(each)
  }

  private lookForOpening(character: string): void {
    this.held += character
    const seen = this.held.trimStart()
    const { open } = this.marks
    if (seen === open) this.state = 'reasoning'
    else if (!open.startsWith(seen)) {
      this.state = 'answer'
      this.tell([{ kind: 'content', text: this.held }])
    }
  }

  private reason(character: string): void {
    if (/\s/.test(character)) {
      if (this.begun) this.space += character
      return
    }
    this.tell([{ kind: 'reasoning', text: this.space + character }])
    this.space = ''
    this.begun = true
  }
}

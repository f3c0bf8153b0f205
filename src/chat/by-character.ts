import type { OutputEvent, OutputReader } from './events.js'

/** A reader that takes its text a character at a time, so that no cut into pieces can matter. */
export abstract class ByCharacter implements OutputReader {
  private events: OutputEvent[] = []

  push(text: string): OutputEvent[] {
    for (const character of text) this.take(character)
    return this.flush()
  }

  finish(): OutputEvent[] {
    this.end()
    return this.flush()
  }

  protected abstract take(character: string): void
  protected abstract end(): void

  protected tell(events: readonly OutputEvent[]): void {
    for (const event of events) {
      const last = this.events.at(-1)
      const joins = last && 'text' in last && 'text' in event && last.kind === event.kind
      if (joins) this.events[this.events.length - 1] = { kind: last.kind, text: last.text + event.text }
      else this.events.push(event)
    }
  }

  private flush(): OutputEvent[] {
    const { events } = this
    this.events = []
    return events
  }
}

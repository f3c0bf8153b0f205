import type { OutputEvent } from './events.js'

/**
 * Text between calls. White space at its end is held back, since before a call and between calls it belongs to the
 * format; where no call follows it comes out.
 */
export class Content {
  private space = ''
  private afterCall = false

  push(text: string): OutputEvent[] {
    const all = this.space + text
    const kept = all.trimEnd()
    this.space = all.slice(kept.length)
    const shown = this.afterCall ? kept.trimStart() : kept
    if (shown === '') return []
    this.afterCall = false
    return [{ kind: 'content', text: shown }]
  }

  /** A call begins or has ended. */
  call(): void {
    this.space = ''
    this.afterCall = true
  }

  finish(): OutputEvent[] {
    const text = this.afterCall ? '' : this.space
    this.space = ''
    return text === '' ? [] : [{ kind: 'content', text }]
  }
}

/** Finds a marker in a text that comes a character at a time, and holds back what may become one. */
export class Marker {
  private held = ''

  constructor(private readonly marker: string) {}

  /** Text that is surely not of the marker; undefined where the marker is complete. */
  take(character: string): string | undefined {
    let all = this.held + character
    if (all === this.marker) {
      this.held = ''
      return undefined
    }
    let text = ''
    while (all !== '' && !this.marker.startsWith(all)) {
      text += all[0]
      all = all.slice(1)
    }
    this.held = all
    return text
  }

  /** What was held back. */
  finish(): string {
    const { held } = this
    this.held = ''
    return held
  }
}

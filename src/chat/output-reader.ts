import type { OutputEvent, OutputReader } from './events.js'

/** Reasoning first, then calls in what remains. */
export class AssistantReader implements OutputReader {
  constructor(
    private readonly reasoning: OutputReader | undefined,
    private readonly calls: OutputReader | undefined,
  ) {}

  push(text: string): OutputEvent[] {
    return this.withCalls(this.reasoning?.push(text) ?? [{ kind: 'content', text }])
  }

  finish(): OutputEvent[] {
    return [...this.withCalls(this.reasoning?.finish() ?? []), ...(this.calls?.finish() ?? [])]
  }

  private withCalls(events: readonly OutputEvent[]): OutputEvent[] {
    const { calls } = this
    if (!calls) return [...events]
    return events.flatMap((event) => (event.kind === 'content' ? calls.push(event.text) : [event]))
  }
}

import type { ChatMessage, ChatOptions, Generation, LLM, Result } from '../index.js'

const SESSION = 'conversation'

/** What was said, and the model's cache of it: each turn is computed from where the one before it ended. */
export class Conversation {
  private readonly beginning: readonly ChatMessage[]
  private turns: readonly ChatMessage[] = []

  constructor(
    private readonly llm: LLM,
    private readonly options: ChatOptions,
    system: string | undefined,
  ) {
    this.beginning = system === undefined ? [] : [{ role: 'system', content: system }]
  }

  get isEmpty(): boolean {
    return this.turns.length === 0
  }

  /** Starts an answer to what was remembered so far and this question. */
  ask(question: string, signal: AbortSignal): Generation<Result> {
    const messages = [...this.beginning, ...this.turns, { role: 'user', content: question } as const]
    return this.llm.chat(messages, { ...this.options, session: SESSION, signal })
  }

  remember(question: string, answer: string): void {
    this.turns = [...this.turns, { role: 'user', content: question }, { role: 'assistant', content: answer }]
  }

  forget(): void {
    this.turns = []
    this.llm.endSession(SESSION)
  }
}

import type { BlockManager } from './block-manager.js'
import type { BlockTable } from './block-table.js'
import type { Prompt } from './prompt.js'
import type { Sequence } from './sequence.js'

interface IdleSession {
  readonly prompt: Prompt
  /** Those whose keys and values the table's blocks hold. */
  tokens: Int32Array
  readonly table: BlockTable
}

/**
 * Cached beginnings of conversations between their turns, by name. They lie in blocks that nobody else needs: the
 * session that was idle longest gives its blocks up first, and costs no more than computing its tokens again.
 */
export class SessionCache {
  /** Longest idle first. */
  private readonly idle = new Map<string, IdleSession>()

  constructor(
    private readonly blocks: BlockManager,
    /** Dynamic rotary scaling turns the keys of a prompt longer than this by its length: they suit no other prompt. */
    private readonly longestShared = Number.POSITIVE_INFINITY,
  ) {}

  get size(): number {
    return this.idle.size
  }

  /** Takes over the blocks of a sequence's first `count` tokens. */
  keep(name: string, prompt: Prompt, sequence: Sequence, count: number): void {
    this.end(name)
    this.blocks.truncate(sequence.table, count)
    const session = { prompt, tokens: sequence.tokens.subarray(0, count), table: sequence.table }
    if (prompt.length <= this.longestShared) this.idle.set(name, session)
    else this.blocks.truncate(session.table, 0)
  }

  /** Cuts a session back to what the prompt has in common with it, its last token excepted; returns what is left. */
  match(name: string, prompt: Prompt): BlockTable | undefined {
    const session = this.idle.get(name)
    if (!session) return undefined
    const shared = Math.min(prompt.sharedWith(session.tokens, session.prompt), prompt.length - 1)
    if (shared === 0 || prompt.length > this.longestShared) {
      this.end(name)
      return undefined
    }
    session.tokens = session.tokens.subarray(0, shared)
    this.blocks.truncate(session.table, shared)
    return session.table
  }

  /** Hands a matched session's blocks to a sequence; returns how many tokens they hold. */
  resume(name: string, sequence: Sequence): number {
    const session = this.idle.get(name)
    if (!session) return 0
    this.idle.delete(name)
    sequence.table = session.table
    sequence.scheduled = session.tokens.length
    return session.tokens.length
  }

  /** Gives up the session that was idle longest, but never `except`; false if there is none. */
  evictOldest(except?: string): boolean {
    for (const name of this.idle.keys()) {
      if (name === except) continue
      this.end(name)
      return true
    }
    return false
  }

  end(name: string): void {
    const session = this.idle.get(name)
    if (!session) return
    this.idle.delete(name)
    this.blocks.truncate(session.table, 0)
  }
}

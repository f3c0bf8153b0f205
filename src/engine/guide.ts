import { WarplineError } from '../errors.js'
import { GRAMMAR_LIMITS, Matcher, type MatchState, type Vocabulary } from '../grammar/index.js'
import { invariant } from './invariant.js'
import type { OutputGrammar } from './messages.js'

/** A text under a grammar, and the mask of what may come next. Never changes: forks share it. */
export interface GuidedText {
  readonly state: MatchState
  readonly allowed: Uint32Array
  /** It is complete and nothing may follow. */
  readonly over: boolean
}

/** Holds a request's texts to its grammar. End tokens are allowed where a text is complete. */
export class Guide {
  constructor(
    private readonly matcher: Matcher,
    private readonly afterSpace: boolean,
    private readonly stopIds: readonly number[],
  ) {}

  /** Errors of all three: `grammar-too-complex`. */
  begin(): GuidedText {
    return this.text(this.matcher.begin(this.afterSpace))
  }

  /** The text with one more token, which was allowed and is no end token. */
  extend({ state }: GuidedText, token: number): GuidedText {
    const next = this.matcher.advance(state, token)
    invariant(next !== undefined, 'only allowed tokens are chosen')
    return this.text(next)
  }

  private text(state: MatchState): GuidedText {
    const within = this.matcher.allowed(state)
    if (!state.complete) return { state, allowed: within, over: false }
    const allowed = within.slice()
    for (const id of this.stopIds) allowed[id >>> 5]! |= 1 << (id & 31)
    return { state, allowed, over: within.every((word) => word === 0) }
  }
}

/** Grammars that were lately asked for, with the masks that were found for them. */
export class Guides {
  private vocabulary: Vocabulary | undefined
  /** In the order of their last use. */
  private readonly matchers = new Map<string, Matcher>()

  learn(vocabulary: Vocabulary): void {
    this.vocabulary = vocabulary
    this.matchers.clear()
  }

  guide({ automaton, afterSpace }: OutputGrammar, stopIds: readonly number[]): Guide {
    if (!this.vocabulary) {
      throw new WarplineError('engine-defect', 'a grammar came before the vocabulary that it is about')
    }
    const matcher = this.matchers.get(automaton.key) ?? new Matcher(automaton, this.vocabulary)
    this.matchers.delete(automaton.key)
    this.matchers.set(automaton.key, matcher)
    if (this.matchers.size > GRAMMAR_LIMITS.cachedGrammars) this.matchers.delete(this.matchers.keys().next().value!)
    return new Guide(matcher, afterSpace, stopIds)
  }
}

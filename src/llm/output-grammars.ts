import type { OutputGrammar } from '../engine/messages.js'
import { WarplineError } from '../errors.js'
import {
  type Automaton,
  buildVocabulary,
  compileGrammar,
  GRAMMAR_LIMITS,
  type Grammar,
  type Vocabulary,
} from '../grammar/index.js'
import { type Tokenizer, tokenBytesOf } from '../text/index.js'

/** Compiles formats for one model, each once; tells the engine what its tokens are when the first is asked for. */
export class OutputGrammars {
  /** In the order of their last use. */
  private readonly compiled = new Map<string, Automaton>()
  private dropsFirstSpace: boolean | undefined

  constructor(
    private readonly tokenizer: Tokenizer | undefined,
    private readonly vocabularySize: number,
    private readonly teach: (vocabulary: Vocabulary) => void,
  ) {}

  /** `key` stands for what `grammar` returns. `continues`: the output goes on within a text, and keeps a first space. */
  for(key: string, grammar: () => Grammar, continues: boolean): OutputGrammar {
    const spaced = this.learn()
    const automaton = this.compiled.get(key) ?? compileGrammar(grammar())
    this.compiled.delete(key)
    this.compiled.set(key, automaton)
    if (this.compiled.size > GRAMMAR_LIMITS.cachedGrammars) this.compiled.delete(this.compiled.keys().next().value!)
    return { automaton, afterSpace: spaced && !continues }
  }

  private learn(): boolean {
    if (this.dropsFirstSpace !== undefined) return this.dropsFirstSpace
    if (!this.tokenizer) {
      throw new WarplineError('tokenizer-missing', 'a format of the output needs a tokenizer; this model has none')
    }
    const { bytes, dropsFirstSpace } = tokenBytesOf(this.tokenizer)
    this.teach(buildVocabulary(bytes, this.vocabularySize))
    this.dropsFirstSpace = dropsFirstSpace
    return dropsFirstSpace
  }
}

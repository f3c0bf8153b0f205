import { AssistantReader, ReasoningReader, toolReader } from '../chat/index.js'
import type { EngineStats } from '../engine/engine.js'
import type { OutputGrammar } from '../engine/messages.js'
import type { SamplingParameters } from '../engine/sampling-parameters.js'
import { validateSampling } from '../engine/validate-parameters.js'
import { WarplineError } from '../errors.js'
import type { Tokenizer } from '../text/index.js'
import type { AnswerFormat } from './answer-builder.js'
import { type ChatPlan, planChat } from './chat.js'
import { chatGrammar } from './chat-grammar.js'
import type { ChatMessage } from './chat-types.js'
import { EngineClient } from './engine-client.js'
import { Generation, type RunListener } from './generation.js'
import { type LoadedModel, loadModel } from './load-model.js'
import { checkChatOptions, checkGenerateOptions, checkScoreOptions } from './option-schema.js'
import type { ChatOptions, GenerateOptions, LoadOptions, Prompt, ScoreOptions } from './options.js'
import { checkCombination, formatGrammar, formatOf } from './output-format.js'
import { OutputGrammars } from './output-grammars.js'
import { encodePrompt, fitPrompt } from './prompt.js'
import { PromptRun } from './prompt-run.js'
import { resolveOptions } from './resolve-options.js'
import type { Result, Score } from './result.js'
import { scoreOf } from './score.js'
import { TokenTexts } from './token-text.js'

/** What a loaded model is. */
export interface ModelInfo {
  readonly name: string
  readonly family: string
  readonly device: string
  readonly dtype: string
  readonly contextLength: number
  readonly vocabulary: number
  /** Bytes. */
  readonly memory: { readonly weights: number; readonly cache: number; readonly activations: number }
}

/**
 * A model, loaded and running. Calls may overlap freely: they share its batches. Close it when done (`close()`, or
 * `await using` where the language has it).
 */
export class LLM implements AsyncDisposable {
  readonly info: ModelInfo
  private readonly client: EngineClient
  private readonly tokenTexts: TokenTexts
  private readonly grammars: OutputGrammars

  private constructor(
    name: string,
    private readonly model: LoadedModel,
  ) {
    this.client = new EngineClient(model.engine)
    this.tokenTexts = new TokenTexts(model.tokenizer)
    this.grammars = new OutputGrammars(model.tokenizer, model.spec.vocabulary, (vocabulary) => {
      this.client.teach(vocabulary)
    })
    const { spec, device, dtype, contextLength, executor } = model
    const { family, vocabulary } = spec
    this.info = { name, family, device, dtype, contextLength, vocabulary, memory: executor.memory }
  }

  /**
   * Loads a model from a folder in Hugging Face's layout, or by its name on the hub (`openai-community/gpt2`).
   * Throws a WarplineError that says what to change.
   */
  static async load(nameOrPath: string, options: LoadOptions = {}): Promise<LLM> {
    return new LLM(nameOrPath, await loadModel(nameOrPath, options))
  }

  /** Undefined for a model that came without one: such a model takes and gives token ids. */
  get tokenizer(): Tokenizer | undefined {
    return this.model.tokenizer
  }

  /** Continues a prompt (text or token ids), or each of an array of prompts. */
  generate(prompt: Prompt, options?: GenerateOptions): Generation<Result>
  generate(prompts: readonly Prompt[], options?: GenerateOptions): Generation<Result[]>
  generate(
    prompts: Prompt | readonly Prompt[],
    given: GenerateOptions = {},
  ): Generation<Result> | Generation<Result[]> {
    const many = isPromptList(prompts)
    const start: Start = (on) => {
      const options = checkGenerateOptions(given)
      const list = many ? Array.from(prompts) : [prompts]
      if (list.length === 0) throw new WarplineError('prompt-empty', 'the array of prompts is empty')
      const encoded = list.map((prompt) => this.encode(prompt, options))
      return this.start(encoded, options, on, (ids) => this.isWithinText(ids))
    }
    return many ? new Generation(start, (results) => results) : new Generation(start, ([result]) => result!)
  }

  /** Answers a conversation, through the checkpoint's chat template. */
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): Generation<Result> {
    return new Generation(
      (on) => {
        const checked = checkChatOptions(options)
        const plan = planChat(this.tokenizer, messages, checked)
        return this.start([plan.ids], checked, on, () => false, plan)
      },
      ([result]) => result!,
    )
  }

  /** Token ids of a text, with the tokenizer's own special tokens (BOS, say) unless told otherwise. */
  tokenize(text: string, options: { addSpecialTokens?: boolean } = {}): number[] {
    return this.needTokenizer().encode(text, options)
  }

  detokenize(ids: readonly number[], options: { skipSpecialTokens?: boolean } = {}): string {
    return this.needTokenizer().decode(ids, options)
  }

  /** How likely the model finds a text: the log-probability of each of its tokens after the first. */
  async score(text: Prompt, options: ScoreOptions = {}): Promise<Score> {
    const { truncate, signal } = checkScoreOptions(options)
    const ids = this.encode(text, {})
    const { contextLength } = this.model
    const fitted = truncate === 'right' ? ids.slice(0, contextLength) : ids
    if (fitted.length < 2)
      throw new WarplineError('prompt-empty', 'a text of at least two tokens is needed for a score')
    const parameters = { ...this.validate({ promptLogprobs: 0 }), maxTokens: 0 }
    const run = new Generation<Result>(
      (on) => [this.submit({ index: 0, ids: fitted, parameters, stop: [], continues: false }, { signal }, on)],
      ([result]) => result!,
    )
    const { promptLogprobs } = await run
    if (!promptLogprobs) throw new WarplineError('cancelled', 'the signal ended the scoring')
    return scoreOf(promptLogprobs)
  }

  /** How busy the engine is. */
  stats(): EngineStats {
    return this.model.engine.stats()
  }

  /** Gives the cache of a session back. */
  endSession(session: string): void {
    this.client.endSession(session)
  }

  /** Ends running requests and frees everything. Safe to call twice. */
  async close(): Promise<void> {
    await this.client.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Prompts of nothing but control tokens begin a text; after all others the output goes on with one. */
  private isWithinText(ids: readonly number[]): boolean {
    return ids.some((id) => !this.tokenizer?.isSpecial(id))
  }

  private encode(prompt: Prompt, options: GenerateOptions): number[] {
    return encodePrompt(prompt, this.tokenizer, this.info.vocabulary, options)
  }

  private start(
    prompts: readonly number[][],
    options: GenerateOptions,
    on: RunListener,
    continues: (ids: readonly number[]) => boolean,
    chat?: ChatPlan,
  ): PromptRun[] {
    const constraint = this.constraint(options, chat)
    if (constraint) checkCombination(options)
    // What a checkpoint would stop at, or keep from stopping at, gives way to the format.
    const asked = constraint ? { ...options, stop: [], minTokens: 0 } : options
    const answer = chat && this.answerFormat(chat)
    const { defaults, spec, contextLength, tokenizer } = this.model
    const { vocabulary } = spec
    const soft = options.softPrompt?.length ?? 0
    // Everything is checked before anything runs, so that a mistake in one prompt starts none.
    const requests = prompts.map((ids) => {
      const fitted = fitPrompt(ids, soft, contextLength, options)
      const promptLength = fitted.length + soft
      return {
        ids: fitted,
        ...resolveOptions(asked, { defaults, tokenizer, vocabulary, promptLength, contextLength }),
      }
    })
    const checked = requests.map((request) => ({ ...request, parameters: this.validate(request.parameters) }))
    return checked
      .map((request) => {
        const goesOn = continues(request.ids)
        const { parameters } = request
        if (constraint && parameters.numBeams > 1 && parameters.stopIds.length === 0) {
          throw new WarplineError('option-unsupported', 'a format of the output with numBeams needs an end token')
        }
        const outputGrammar = constraint && this.grammars.for(constraint.key, constraint.grammar, goesOn)
        return { ...request, continues: goesOn, outputGrammar, answer }
      })
      .map((request, index) => this.submit({ ...request, index }, options, on))
  }

  private constraint(options: GenerateOptions, chat: ChatPlan | undefined) {
    const format = formatOf(options)
    if (chat && this.tokenizer) return chatGrammar(chat, format, this.tokenizer)
    return format && { key: JSON.stringify(format), grammar: () => formatGrammar(format) }
  }

  /** Undefined where the answer is its text. */
  private answerFormat({ tools, toolFormat, reasoning }: ChatPlan): AnswerFormat | undefined {
    if (!tools && !reasoning) return undefined
    const names = tools?.tools.map((tool) => tool.function.name) ?? []
    const marks = [...(tools ? toolFormat.marks : []), ...(reasoning ? Object.values(reasoning.marks) : [])]
    const reader = () => {
      return new AssistantReader(
        reasoning && new ReasoningReader(reasoning.marks, reasoning.opened),
        tools && toolReader(toolFormat, names),
      )
    }
    return {
      reader,
      tools: tools !== undefined,
      oneCall: tools !== undefined && !tools.several,
      shownIds: new Set(marks.map((mark) => this.tokenizer!.idOf(mark)).filter((id) => id !== undefined)),
      callIds: toolFormat.name === 'mistral' ? 'mistral' : 'openai',
    }
  }

  private submit(
    { index, ids, parameters, stop, continues, outputGrammar, answer }: Submission,
    options: GenerateOptions,
    on: RunListener,
  ): PromptRun {
    const choices = parameters.numBeams > 1 ? parameters.numReturn : parameters.n
    const run = new PromptRun(index, choices, {
      tokenizer: this.tokenizer,
      tokenTexts: this.tokenTexts,
      continues,
      stop,
      stopIds: new Set(parameters.stopIds),
      skipSpecialTokens: options.skipSpecialTokens ?? true,
      answer,
      onPart: on.part,
      onEnd: on.end,
    })
    const soft = options.softPrompt ?? []
    const softRows = soft.length > 0 ? joinRows(soft, this.model.spec.embedding.width) : undefined
    const prompt = [...soft.map(() => -1), ...ids]
    const request = { prompt, parameters, softRows, session: options.session, outputGrammar }
    run.handle = this.client.submit(request, options.signal, (event) => run.on(event))
    return run
  }

  private validate(parameters: Partial<SamplingParameters>): SamplingParameters {
    return validateSampling(parameters, { vocabulary: this.info.vocabulary, maxSequences: this.model.maxSequences })
  }

  private needTokenizer(): Tokenizer {
    if (this.tokenizer) return this.tokenizer
    throw new WarplineError('tokenizer-missing', `${this.info.name} has no tokenizer.json; give and take token ids`)
  }
}

interface Submission {
  readonly index: number
  readonly ids: readonly number[]
  readonly parameters: SamplingParameters
  readonly stop: readonly string[]
  /** Whether the output goes on within the prompt's text, rather than beginning a text of its own. */
  readonly continues: boolean
  readonly outputGrammar?: OutputGrammar | undefined
  readonly answer?: AnswerFormat | undefined
}

type Start = (on: RunListener) => readonly PromptRun[]

function isPromptList(prompts: Prompt | readonly Prompt[]): prompts is readonly Prompt[] {
  return Array.isArray(prompts) && (prompts.length === 0 || typeof prompts[0] !== 'number')
}

function joinRows(rows: readonly (readonly number[] | Float32Array)[], width: number): Float32Array {
  const joined = new Float32Array(rows.length * width)
  for (const [i, row] of rows.entries()) {
    if (row.length !== width || row.some((value) => !Number.isFinite(value))) {
      throw new WarplineError('soft-prompt-invalid', `row ${i} of softPrompt must hold ${width} finite numbers`)
    }
    joined.set(row, i * width)
  }
  return joined
}

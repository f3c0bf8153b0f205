import type { EngineStats } from '../engine/engine.js'
import type { SamplingParameters } from '../engine/sampling-parameters.js'
import { validateSampling } from '../engine/validate-parameters.js'
import { WarplineError } from '../errors.js'
import type { Tokenizer } from '../text/index.js'
import type { GenerationDefaults } from '../weights/generation-config.js'
import { encodeChat } from './chat.js'
import type { ChatMessage } from './chat-types.js'
import { pool } from './embed.js'
import { EngineClient } from './engine-client.js'
import { Generation, type RunListener } from './generation.js'
import { type LoadedModel, loadModel } from './load-model.js'
import {
  checkChatOptions,
  checkChatPromptOptions,
  checkEmbedOptions,
  checkGenerateOptions,
  checkScoreOptions,
} from './option-schema.js'
import type {
  ChatOptions,
  ChatPromptOptions,
  EmbedOptions,
  GenerateOptions,
  LoadOptions,
  Prompt,
  ScoreOptions,
} from './options.js'
import { encodePrompt, fitPrompt } from './prompt.js'
import { PromptRun } from './prompt-run.js'
import { resolveOptions } from './resolve-options.js'
import type { Embedding, Result, Score } from './result.js'
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
  /** Values of a token's final hidden state: the length of embeddings. */
  readonly hidden: number
  /** Sequences that run at once. */
  readonly maxSequences: number
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

  private constructor(
    name: string,
    private readonly model: LoadedModel,
  ) {
    this.client = new EngineClient(model.engine)
    this.tokenTexts = new TokenTexts(model.tokenizer)
    const { spec, device, dtype, contextLength, maxSequences, memory } = model
    const { family, vocabulary, hidden } = spec
    this.info = { name, family, device, dtype, contextLength, vocabulary, hidden, maxSequences, memory }
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

  /** What requests inherit from the checkpoint's generation_config.json where they say nothing. */
  get defaults(): GenerationDefaults {
    return this.model.defaults
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
        const { tools, documents, addGenerationPrompt, responseFormat, templateVariables, ...generate } = checked
        const prompt = { tools, documents, addGenerationPrompt, responseFormat, templateVariables }
        const ids = encodeChat(this.model, messages, prompt)
        return this.start([ids], generate, on, () => false)
      },
      ([result]) => result!,
    )
  }

  /** Token ids of a text, with the tokenizer's own special tokens (BOS, say) unless told otherwise. */
  tokenize(text: string, options: { addSpecialTokens?: boolean } = {}): number[] {
    return this.needTokenizer().encode(text, options)
  }

  /** Token ids of a conversation, as `chat` gives them to the model. */
  tokenizeChat(messages: readonly ChatMessage[], options: ChatPromptOptions = {}): number[] {
    return encodeChat(this.model, messages, checkChatPromptOptions(options))
  }

  detokenize(ids: readonly number[], options: { skipSpecialTokens?: boolean } = {}): string {
    return this.needTokenizer().decode(ids, options)
  }

  /** How likely the model finds a text: the log-probability of each of its tokens after the first. */
  async score(text: Prompt, options: ScoreOptions = {}): Promise<Score> {
    const { truncate, top = 0, addSpecialTokens, signal } = checkScoreOptions(options)
    if (top < 0) throw new WarplineError('parameter-invalid', `top is ${top}; it must be at least 0`)
    const ids = this.cutRight(this.encode(text, { addSpecialTokens }), truncate)
    if (ids.length < 2) throw new WarplineError('prompt-empty', 'a text of at least two tokens is needed for a score')
    const { promptLogprobs } = await this.readPrompt(ids, { promptLogprobs: top }, signal)
    if (!promptLogprobs) throw new WarplineError('cancelled', 'the signal ended the scoring')
    return scoreOf(promptLogprobs)
  }

  /** A vector for each text: its tokens' final hidden states, pooled. All are checked before any is computed. */
  async embed(texts: readonly Prompt[], options: EmbedOptions = {}): Promise<Embedding[]> {
    const checked = checkEmbedOptions(options)
    const { truncate, addSpecialTokens, signal } = checked
    const { contextLength } = this.info
    const prompts = texts.map((text) => this.cutRight(this.encode(text, { addSpecialTokens }), truncate))
    const long = prompts.find((ids) => ids.length > contextLength)
    if (long) {
      const advice = "shorten it, or pass truncate: 'right'"
      throw new WarplineError(
        'context-too-long',
        `a text has ${long.length} tokens and the model holds ${contextLength}; ${advice}`,
      )
    }
    return Promise.all(
      prompts.map(async (ids) => {
        const { hiddenStates } = await this.readPrompt(ids, { hiddenStates: true }, signal)
        if (!hiddenStates) throw new WarplineError('cancelled', 'the signal ended the work')
        return { vector: pool(hiddenStates, checked), tokens: ids.length }
      }),
    )
  }

  /** Whether requests are taken now: not once it is closed, nor while its engine is started again. */
  get ready(): boolean {
    return this.client.ready
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

  /** What was asked for about a prompt; nothing is generated. */
  private readPrompt(
    ids: readonly number[],
    wanted: Partial<SamplingParameters>,
    signal: AbortSignal | undefined,
  ): Generation<Result> {
    const parameters = { ...this.validate(wanted), maxTokens: 0 }
    return new Generation<Result>(
      (on) => [this.submit({ index: 0, ids, parameters, stop: [], continues: false }, { signal }, on)],
      ([result]) => result!,
    )
  }

  private cutRight(ids: number[], truncate: 'right' | undefined): number[] {
    return truncate === 'right' ? ids.slice(0, this.info.contextLength) : ids
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
  ): PromptRun[] {
    const { defaults, spec, contextLength, tokenizer, blocks, blockSize } = this.model
    const { vocabulary } = spec
    const limits = { vocabulary, contextLength, blocks, blockSize }
    const soft = options.softPrompt?.length ?? 0
    // Everything is checked before anything runs, so that a mistake in one prompt starts none.
    const requests = prompts.map((ids) => {
      const fitted = fitPrompt(ids, soft, contextLength, options)
      const promptLength = fitted.length + soft
      return {
        ids: fitted,
        ...resolveOptions(options, { defaults, tokenizer, promptLength, ...limits }),
      }
    })
    const checked = requests.map((request) => ({ ...request, parameters: this.validate(request.parameters) }))
    return checked.map((request, index) =>
      this.submit({ ...request, index, continues: continues(request.ids) }, options, on),
    )
  }

  private submit(
    { index, ids, parameters, stop, continues }: Submission,
    options: GenerateOptions,
    on: RunListener,
  ): PromptRun {
    const choices = parameters.numBeams > 1 ? parameters.numReturn : parameters.n
    const run = new PromptRun(index, choices, {
      tokenizer: this.tokenizer,
      tokenTexts: this.tokenTexts,
      continues,
      stop,
      includeStop: options.includeStop ?? false,
      stopIds: new Set(parameters.stopIds),
      skipSpecialTokens: options.skipSpecialTokens ?? true,
      onPart: on.part,
      onEnd: on.end,
    })
    const soft = options.softPrompt ?? []
    const softRows = soft.length > 0 ? joinRows(soft, this.model.spec.embedding.width) : undefined
    const prompt = [...soft.map(() => -1), ...ids]
    const request = { prompt, parameters, softRows, session: options.session }
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

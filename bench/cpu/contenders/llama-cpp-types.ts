/** The part of node-llama-cpp 3.22 that the benchmark uses: its public doors, and the native objects behind them. */
export interface LlamaModule {
  getLlama(options: object): Promise<Llama>
}

interface Llama {
  readonly _bindings: { readonly AddonSampler: new (model: NativeModel) => LlamaSampler }
  loadModel(options: { modelPath: string }): Promise<LlamaModel>
}

interface LlamaModel {
  readonly _model: NativeModel
  createContext(options: object): Promise<{ readonly _ctx: LlamaContext }>
}

declare const native: unique symbol
interface NativeModel {
  readonly [native]: 'model'
}

export interface LlamaSampler {
  applyConfig(config: { temperature: number }): void
}

export interface LlamaContext {
  /** Room for this many tokens; empties the batch. */
  initBatch(tokens: number): void
  /** Returns the rows of the logits at `logitIndexes`, positions among the tokens given. */
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logitIndexes: Uint32Array): Uint32Array
  decodeBatch(): Promise<void>
  sampleToken(row: number, sampler: LlamaSampler): Promise<number>
  /** The fourth value is [token, logit, token, logit, ...]. */
  sampleToken(
    row: number,
    sampler: LlamaSampler,
    probabilities: false,
    confidence: false,
    logits: true,
  ): Promise<[token: number, probabilities: undefined, confidence: undefined, logits: number[]]>
  disposeSequence(sequence: number): void
}

import { type Contender, logSoftmax, type Setup, serve } from './protocol.js'

/** The part of onnxruntime-node 1.30 that the benchmark uses. */
interface Tensor {
  readonly data: Float32Array | BigInt64Array
}
type Tensors = Record<string, Tensor>
interface Session {
  run(feeds: Tensors, fetches: Record<string, Tensor | null>): Promise<Tensors>
}
interface OnnxRuntime {
  readonly InferenceSession: { create(path: string, options: object): Promise<Session> }
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => Tensor
}

/** onnxruntime on a graph of models/onnx-model.ts; keys and values stay where they are, past and present being one memory. */
class OnnxRuntimeContender implements Contender {
  private onnx!: OnnxRuntime
  private session!: Session
  private setup!: Setup
  private readonly caches = new Map<string, Cache>()

  async load(setup: Setup): Promise<void> {
    this.setup = setup
    this.onnx = ((await import(setup.library)) as { default: OnnxRuntime }).default
    this.session = await this.onnx.InferenceSession.create(setup.model, {
      ...{ executionProviders: ['cpu'], graphOptimizationLevel: 'all', executionMode: 'sequential' },
      ...{ intraOpNumThreads: setup.threads, interOpNumThreads: 1, logSeverityLevel: 3 },
    })
  }

  async prompt(tokens: readonly number[]): Promise<number> {
    const cache = this.cache(1, tokens.length)
    const started = performance.now()
    await this.step([tokens], 0, cache, 'token')
    return performance.now() - started
  }

  async decode(prompts: readonly (readonly number[])[], steps: number): Promise<number> {
    const length = prompts[0]!.length
    const cache = this.cache(prompts.length, length + steps)
    let tokens = await this.step(prompts, 0, cache, 'token')
    const started = performance.now()
    for (let i = 0; i < steps; i++) {
      const texts = Array.from(tokens.data as BigInt64Array, (token) => [Number(token)])
      tokens = await this.step(texts, length + i, cache, 'token')
    }
    return performance.now() - started
  }

  async next(prompts: readonly (readonly number[])[], forced: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const length = prompts[0]!.length
    const steps = forced[0]!.length
    const cache = this.cache(prompts.length, length + steps)
    let logits = await this.step(prompts, 0, cache, 'logits')
    for (let i = 0; i < steps; i++) {
      const texts = forced.map((tokens) => [tokens[i]!])
      logits = await this.step(texts, length + i, cache, 'logits')
    }
    const { vocabulary } = this.setup
    const data = logits.data as Float32Array
    return prompts.map((_, i) => logSoftmax(data.slice(i * vocabulary, (i + 1) * vocabulary)))
  }

  /** The one of an earlier call, if its size was the same: fresh memory would be mapped while the clock runs. */
  private cache(batch: number, capacity: number): Cache {
    const size = `${batch}x${capacity}`
    const cache = this.caches.get(size) ?? new Cache(this.onnx, this.setup, batch, capacity)
    this.caches.set(size, cache)
    return cache
  }

  /** `position` tokens of each sequence are in the cache, and these follow. */
  private async step(
    texts: readonly (readonly number[])[],
    position: number,
    cache: Cache,
    output: 'token' | 'logits',
  ) {
    const { Tensor } = this.onnx
    const dims = [texts.length, texts[0]!.length]
    const total = position + dims[1]!
    const ids = BigInt64Array.from(texts.flat(), BigInt)
    const positions = () =>
      BigInt64Array.from(
        texts.flatMap((text) => text.map((_, i) => position + i)),
        BigInt,
      )
    const feeds = {
      ids: new Tensor('int64', ids, dims),
      ...(this.setup.learnedPositions && { positions: new Tensor('int64', positions(), dims) }),
      lengths: new Tensor('int32', new Int32Array(texts.length).fill(total - 1), [texts.length]),
      longest: new Tensor('int32', Int32Array.of(total), [1]),
      ...cache.past,
    }
    return (await this.session.run(feeds, { [output]: null, ...cache.present }))[output]!
  }
}

/** Keys and values of all layers, float32. */
class Cache {
  readonly past: Tensors = {}
  readonly present: Tensors = {}

  constructor({ Tensor }: OnnxRuntime, { layers, kvHeads, headDim }: Setup, batch: number, capacity: number) {
    const dims = [batch, kvHeads, capacity, headDim]
    for (let layer = 0; layer < layers; layer++) {
      for (const which of ['key', 'value']) {
        const tensor = new Tensor('float32', new Float32Array(batch * kvHeads * capacity * headDim), dims)
        this.past[`past.${layer}.${which}`] = tensor
        this.present[`present.${layer}.${which}`] = tensor
      }
    }
  }
}

serve(new OnnxRuntimeContender())

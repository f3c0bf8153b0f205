import type { LlamaContext, LlamaModule, LlamaSampler } from './llama-cpp-types.js'
import { type Contender, logSoftmax, type Setup, serve } from './protocol.js'

/**
 * llama.cpp as node-llama-cpp ships it, through the calls beneath its own queues: a batch is filled, decoded and sampled.
 * The caller sets UV_THREADPOOL_SIZE=1, without which every decode may run on a thread with a team of its own.
 */
class LlamaCpp implements Contender {
  private context!: LlamaContext
  private sampler!: LlamaSampler
  private vocabulary = 0

  async load({ library, model, threads, context, batch, sequences, vocabulary }: Setup): Promise<void> {
    const { getLlama } = (await import(library)) as LlamaModule
    const llama = await getLlama({
      ...{ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: 'error' },
      ...{ maxThreads: threads },
    })
    const loaded = await llama.loadModel({ modelPath: model })
    const sizes = { contextSize: context, batchSize: batch, sequences, threads }
    const { _ctx } = await loaded.createContext(sizes)
    this.context = _ctx
    this.sampler = new llama._bindings.AddonSampler(loaded._model)
    this.sampler.applyConfig({ temperature: 0 })
    this.vocabulary = vocabulary
  }

  async prompt(tokens: readonly number[]): Promise<number> {
    this.forget(1)
    const started = performance.now()
    await this.step([tokens], 0)
    return performance.now() - started
  }

  async decode(prompts: readonly (readonly number[])[], steps: number): Promise<number> {
    this.forget(prompts.length)
    let tokens = await this.step(prompts, 0)
    const length = prompts[0]!.length
    const started = performance.now()
    for (let i = 0; i < steps; i++) {
      tokens = await this.step(
        tokens.map((token) => [token]),
        length + i,
      )
    }
    return performance.now() - started
  }

  async next(prompts: readonly (readonly number[])[], forced: readonly (readonly number[])[]): Promise<Float32Array[]> {
    this.forget(prompts.length)
    const length = prompts[0]!.length
    const steps = forced[0]!.length
    let rows = await this.run(prompts, 0)
    for (let i = 0; i < steps; i++) {
      rows = await this.run(
        forced.map((tokens) => [tokens[i]!]),
        length + i,
      )
    }
    return Promise.all(rows.map((row) => this.distribution(row)))
  }

  private async step(texts: readonly (readonly number[])[], position: number): Promise<number[]> {
    const rows = await this.run(texts, position)
    return Promise.all(rows.map((row) => this.context.sampleToken(row, this.sampler)))
  }

  /** One batch; returns where the logits of each sequence's last token are. */
  private async run(texts: readonly (readonly number[])[], position: number): Promise<number[]> {
    const { context } = this
    context.initBatch(texts.reduce((sum, text) => sum + text.length, 0))
    const rows = texts.map((text, sequence) => {
      const [row] = context.addToBatch(sequence, position, Uint32Array.from(text), Uint32Array.of(text.length - 1))
      return row!
    })
    await context.decodeBatch()
    return rows
  }

  private async distribution(row: number): Promise<Float32Array> {
    const [, , , pairs] = await this.context.sampleToken(row, this.sampler, false, false, true)
    const logits = new Float32Array(this.vocabulary)
    for (let i = 0; i < pairs.length; i += 2) logits[pairs[i]!] = pairs[i + 1]!
    return logSoftmax(logits)
  }

  private forget(sequences: number): void {
    for (let i = 0; i < sequences; i++) this.context.disposeSequence(i)
  }
}

serve(new LlamaCpp())

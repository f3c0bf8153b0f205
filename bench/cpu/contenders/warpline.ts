import type { GenerateOptions, LLM, LoadOptions, Result } from '../../../src/index.js'
import { type Contender, type Setup, serve } from './protocol.js'

const GREEDY: GenerateOptions = { temperature: 0, ignoreEos: true }

/** Warpline as a program uses it: its public library, told no more than the others are. */
class Warpline implements Contender {
  private llm!: LLM
  private vocabulary = 0

  async load({ library, model, device, dtype, threads, context, vocabulary }: Setup): Promise<void> {
    const { LLM } = (await import(library)) as typeof import('../../../src/index.js')
    const options = { device, dtype, threads, contextLength: context, offline: true } as LoadOptions
    this.llm = await LLM.load(model, options)
    this.vocabulary = vocabulary
  }

  async prompt(tokens: readonly number[]): Promise<number> {
    const started = performance.now()
    await this.llm.generate(tokens, { ...GREEDY, maxTokens: 1 })
    return performance.now() - started
  }

  async decode(prompts: readonly (readonly number[])[], steps: number): Promise<number> {
    let started = 0
    for await (const _ of this.llm.generate(prompts, { ...GREEDY, maxTokens: steps + 1 })) started ||= performance.now()
    return performance.now() - started
  }

  async next(prompts: readonly (readonly number[])[], forced: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const texts = prompts.map((prompt, i) => [...prompt, ...(forced[i] ?? [])])
    const results = await this.llm.generate(texts, { ...GREEDY, maxTokens: 1, logprobs: this.vocabulary })
    return results.map((result) => this.distribution(result))
  }

  private distribution({ choices }: Result): Float32Array {
    const logprobs = new Float32Array(this.vocabulary)
    for (const { tokenId, logprob } of choices[0]!.logprobs![0]!.top) logprobs[tokenId] = logprob
    return logprobs
  }
}

serve(new Warpline())

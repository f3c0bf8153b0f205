import { Engine } from '../../src/engine/engine.js'
import { DEFAULT_SAMPLING } from '../../src/engine/sampling-parameters.js'
import { EngineClient } from '../../src/llm/engine-client.js'
import { Generation } from '../../src/llm/generation.js'
import { PromptRun } from '../../src/llm/prompt-run.js'
import type { Result } from '../../src/llm/result.js'
import { TokenTexts } from '../../src/llm/token-text.js'
import type { Tokenizer } from '../../src/text/index.js'
import type { Device } from './device.js'

export interface Load {
  /** Streams that run side by side. */
  readonly sequences: number
  readonly promptTokens: number
  readonly newTokens: number
}

const BLOCK_SIZE = 16

/** Everything of a model but its weights: an engine on the device, and as many readers of streams as there are sequences. */
export async function runStreams(device: Device, tokenizer: Tokenizer, load: Load): Promise<void> {
  const { sequences, promptTokens, newTokens } = load
  const contextLength = promptTokens + newTokens + BLOCK_SIZE
  const engine = new Engine(device, {
    blocks: sequences * Math.ceil(contextLength / BLOCK_SIZE),
    blockSize: BLOCK_SIZE,
    contextLength,
    maxTokens: sequences * promptTokens,
    maxSequences: sequences,
    maxRows: sequences,
    vocabulary: tokenizer.vocabSize,
    embeddingWidth: 1,
  })
  const client = new EngineClient(engine)
  const tokenTexts = new TokenTexts(tokenizer)
  await Promise.all(Array.from({ length: sequences }, () => read(stream(client, tokenizer, tokenTexts, load))))
  await client.close()
}

function stream(client: EngineClient, tokenizer: Tokenizer, tokenTexts: TokenTexts, load: Load): Generation<Result> {
  const prompt = Array.from({ length: load.promptTokens }, (_, i) => i % 100)
  const parameters = { ...DEFAULT_SAMPLING, temperature: 0.8, maxTokens: load.newTokens }
  return new Generation(
    (on) => {
      const run = new PromptRun(0, 1, {
        ...{ tokenizer, tokenTexts, continues: true, stop: ['\n\nHuman:'], stopIds: new Set<number>() },
        ...{ skipSpecialTokens: true, onPart: on.part, onEnd: on.end },
      })
      run.handle = client.submit({ prompt, parameters }, undefined, (event) => run.on(event))
      return [run]
    },
    ([result]) => result!,
  )
}

async function read(generation: Generation<Result>): Promise<void> {
  let characters = 0
  for await (const part of generation) characters += part.text.length
  if (characters === 0) throw new Error('the streams have no text')
}

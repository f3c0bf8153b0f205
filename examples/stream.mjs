// Streams a story to the terminal. Run with: node examples/stream.mjs
import { BUNDLED_MODEL, LLM } from 'warpline'

const llm = await LLM.load(BUNDLED_MODEL)
try {
  const prompt = 'Once upon a time, a small robot'
  process.stdout.write(prompt)
  for await (const part of llm.generate(prompt, { maxTokens: 80, temperature: 0.8, seed: 7 })) {
    process.stdout.write(part.text)
  }
  process.stdout.write('\n')
} finally {
  await llm.close()
}

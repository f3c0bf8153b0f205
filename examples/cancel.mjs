// Ends a request after the first few words, as a server does when its client leaves. Run with: node examples/cancel.mjs
import { BUNDLED_MODEL, LLM } from 'warpline'

const llm = await LLM.load(BUNDLED_MODEL)
try {
  const controller = new AbortController()
  const generation = llm.generate('Once upon a time', { maxTokens: 200, seed: 1, signal: controller.signal })
  let parts = 0
  for await (const part of generation) {
    process.stdout.write(part.text)
    if (++parts === 10) controller.abort()
  }
  const { choices } = await generation
  console.log(`\n${choices[0].finishReason} after ${choices[0].tokenIds.length} tokens`)
} finally {
  await llm.close()
}

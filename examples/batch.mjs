// Many prompts at once: calls that overlap share the model's batches. Run with: node examples/batch.mjs
import { BUNDLED_MODEL, LLM } from 'warpline'

const llm = await LLM.load(BUNDLED_MODEL)
try {
  const prompts = ['The cat', 'The dog', 'A little girl', 'One rainy day']
  const results = await llm.generate(prompts, { maxTokens: 24, temperature: 0 })
  for (const [i, result] of results.entries()) console.log(`${prompts[i]}|${result.text}`)
  const tokens = results.reduce((sum, result) => sum + result.usage.completionTokens, 0)
  console.log(`${tokens} new tokens`)
} finally {
  await llm.close()
}

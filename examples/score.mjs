// Which sentence does the model find more likely? Run with: node examples/score.mjs
import { BUNDLED_MODEL, LLM } from 'warpline'

const llm = await LLM.load(BUNDLED_MODEL)
try {
  for (const text of ['The little dog ran to the park.', 'Park the ran dog little to the.']) {
    const { perplexity } = await llm.score(text)
    console.log(`${perplexity.toFixed(1).padStart(8)}  ${text}`)
  }
} finally {
  await llm.close()
}

// The three best continuations that a beam of four finds. Run with: node examples/beam-search.mjs
import { BUNDLED_MODEL, LLM } from 'warpline'

const llm = await LLM.load(BUNDLED_MODEL)
try {
  const { choices } = await llm.generate('The bear was sad because', { numBeams: 4, n: 3, maxTokens: 16 })
  for (const { text, score } of choices) console.log(`${score.toFixed(3)} ${text}`)
} finally {
  await llm.close()
}

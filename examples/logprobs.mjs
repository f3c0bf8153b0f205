// What the model thought at each token. Run with: node examples/logprobs.mjs
import { BUNDLED_MODEL, LLM } from 'warpline'

const llm = await LLM.load(BUNDLED_MODEL)
try {
  const { choices } = await llm.generate('Lily went to the', { maxTokens: 6, temperature: 0, logprobs: 3 })
  for (const { token, logprob, top } of choices[0].logprobs) {
    const others = top.map((entry) => `${JSON.stringify(entry.token)} ${percent(entry.logprob)}`).join(', ')
    console.log(`${JSON.stringify(token)} ${percent(logprob)}  (likeliest: ${others})`)
  }
} finally {
  await llm.close()
}

function percent(logprob) {
  return `${(100 * Math.exp(logprob)).toFixed(1)} %`
}

// JSON that satisfies a schema, from a model that was never taught any: node examples/structured-output.mjs [model]
import { BUNDLED_MODEL, LLM } from 'warpline'

const schema = {
  type: 'object',
  properties: {
    hero: { type: 'string', maxLength: 20 },
    animal: { enum: ['fox', 'bear', 'rabbit'] },
    friends: { type: 'integer', minimum: 0, maximum: 5 },
  },
  required: ['hero', 'animal', 'friends'],
}

const llm = await LLM.load(process.argv[2] ?? BUNDLED_MODEL)
try {
  const prompt = 'Once upon a time there was a little fox.'
  const { text } = await llm.generate(prompt, { responseFormat: { type: 'json_schema', schema }, seed: 1 })
  console.log(JSON.parse(text))

  const answer = await llm.generate('Was the fox happy?', { guidedChoice: ['yes', 'no'] })
  console.log(answer.text)
} finally {
  await llm.close()
}

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import { BUNDLED_MODEL, type GenerateOptions, isWarplineError, LLM } from '../../src/index.js'
import { schemas, TREE } from '../grammar/schemas.js'

let llm: LLM
before(async () => {
  llm = await LLM.load(BUNDLED_MODEL)
})
after(() => llm.close())

const PERSON = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 12 },
    age: { type: 'integer', minimum: 0, maximum: 130 },
    tags: { type: 'array', items: { enum: ['a', 'b'] }, maxItems: 3 },
  },
  required: ['name', 'age', 'tags'],
  additionalProperties: false,
}
const asPerson = { responseFormat: { type: 'json_schema', schema: PERSON } } as const

function validator(schema: object) {
  const ajv = new Ajv2020.default({ strict: false })
  addFormats.default(ajv)
  return ajv.compile(schema)
}

const WAYS: Record<string, GenerateOptions> = {
  greedy: { temperature: 0 },
  sampled: { temperature: 1.2, seed: 3 },
  'with filters and penalties': { temperature: 1, topK: 20, topP: 0.9, minP: 0.01, repetitionPenalty: 1.3, seed: 4 },
  'several samples': { n: 4, temperature: 1.5, seed: 5 },
  beams: { numBeams: 4, n: 3 },
  'as token ids of log-probabilities': { temperature: 3, logprobs: 2, seed: 6 },
}

for (const [name, way] of Object.entries(WAYS)) {
  test(`the output satisfies the schema: ${name}`, async () => {
    const validate = validator(PERSON)
    const { choices } = await llm.generate('{"name": "Lily"}\n', { ...asPerson, ...way, maxTokens: 150 })
    for (const { text, finishReason } of choices) {
      assert.equal(finishReason, 'stop', text)
      assert.ok(validate(JSON.parse(text)), text)
    }
  })
}

test('near random weights, whatever the schema: what ends with stop satisfies it, what does not says length', async () => {
  let stopped = 0
  const check = fc.asyncProperty(schemas, fc.nat(), async (schema, seed) => {
    const options: GenerateOptions = {
      responseFormat: { type: 'json_schema', schema },
      temperature: 8,
      maxTokens: 120,
      n: 2,
      seed,
    }
    const validate = validator(schema)
    try {
      for (const { text, finishReason } of (await llm.generate('Once', options)).choices) {
        if (finishReason === 'stop') {
          stopped++
          assert.ok(validate(JSON.parse(text)), `${text} for ${JSON.stringify(schema)}`)
        } else assert.equal(finishReason, 'length')
      }
    } catch (error) {
      if (!isWarplineError(error)) throw error
      assert.match(error.code, /^(schema-invalid|schema-unsupported|grammar-invalid|grammar-too-complex)$/)
    }
  })
  await fc.assert(check, { numRuns: 60 })
  assert.ok(stopped > 30, `only ${stopped} ended`)
})

test('any JSON object, and a schema that contains itself', async () => {
  const object = await llm.generate('Once', {
    responseFormat: { type: 'json_object' },
    temperature: 1,
    seed: 8,
    maxTokens: 200,
    n: 8,
  })
  for (const { text, finishReason } of object.choices) {
    if (finishReason === 'stop') assert.equal(typeof JSON.parse(text), 'object')
    else assert.throws(() => JSON.parse(text))
  }
  const openai = { type: 'json_schema', json_schema: { name: 'tree', schema: TREE } } as const
  const { text, choices } = await llm.generate('Once', {
    responseFormat: openai,
    temperature: 1,
    seed: 1,
    maxTokens: 250,
  })
  if (choices[0]!.finishReason === 'stop') assert.ok(validator(TREE)(JSON.parse(text)))
})

test('a regular expression, choices, a grammar', async () => {
  const date = await llm.generate('Once', { guidedRegex: '\\d{4}-\\d{2}-\\d{2}', temperature: 2, seed: 1 })
  assert.match(date.text, /^\d{4}-\d{2}-\d{2}$/)
  assert.equal(date.choices[0]!.finishReason, 'stop')
  for (let seed = 0; seed < 5; seed++) {
    const { text } = await llm.generate('Is the sky blue?', {
      guidedChoice: ['yes', 'no', 'not at all'],
      temperature: 2,
      seed,
    })
    assert.ok(['yes', 'no', 'not at all'].includes(text), text)
  }
  const sum = await llm.generate('1+1=', {
    guidedGrammar: 'root ::= [1-9] ("+" [1-9]){2} "=" [0-9]{1,2}',
    temperature: 2,
    seed: 1,
  })
  assert.match(sum.text, /^[1-9](\+[1-9]){2}=\d{1,2}$/)
})

test('streamed parts are the text, and a format ends it without an end token', async () => {
  const generation = llm.generate('Once', { ...asPerson, temperature: 1, seed: 2, maxTokens: 150 })
  let streamed = ''
  for await (const part of generation) streamed += part.text
  assert.equal((await generation).text, streamed)
  JSON.parse(streamed)
})

test('a request’s output does not depend on constrained and free ones beside it', async () => {
  const options = { ...asPerson, temperature: 1.5, seed: 11, maxTokens: 150 }
  const free = { temperature: 1, seed: 12, maxTokens: 40 }
  const alone = [(await llm.generate('A', options)).text, (await llm.generate('B', free)).text]
  const [constrained, plain, regex] = await Promise.all([
    llm.generate('A', options),
    llm.generate('B', free),
    llm.generate('C', { guidedRegex: '[a-z]{5,60}', temperature: 1, seed: 13 }),
  ])
  assert.deepEqual([constrained.text, plain.text], alone)
  assert.match(regex.text, /^[a-z]{5,60}$/)
})

test('cut off by maxTokens, it says so', async () => {
  const { text, choices } = await llm.generate('Once', { ...asPerson, maxTokens: 4 })
  assert.equal(choices[0]!.finishReason, 'length')
  assert.throws(() => JSON.parse(text))
})

for (const [name, options, code] of [
  ['two formats', { guidedRegex: 'a', guidedChoice: ['b'] }, 'option-invalid'],
  ['stop texts', { guidedRegex: 'a', stop: 'b' }, 'option-unsupported'],
  ['ignoreEos', { guidedRegex: 'a', ignoreEos: true }, 'option-unsupported'],
  ['minTokens', { guidedRegex: 'a', minTokens: 2 }, 'option-unsupported'],
  ['an unknown kind', { responseFormat: { type: 'xml' } }, 'option-invalid'],
  ['no schema', { responseFormat: { type: 'json_schema' } }, 'option-invalid'],
  ['no choice', { guidedChoice: [] }, 'option-invalid'],
  ['an unsupported keyword', { responseFormat: { type: 'json_schema', schema: { not: {} } } }, 'schema-unsupported'],
  ['a wrong schema', { responseFormat: { type: 'json_schema', schema: { type: 'x' } } }, 'schema-invalid'],
  ['a wrong expression', { guidedRegex: '(' }, 'grammar-invalid'],
  ['a wrong grammar', { guidedGrammar: 'x' }, 'grammar-invalid'],
  ['too much', { guidedRegex: 'a{99999999}' }, 'grammar-too-complex'],
] as const) {
  test(`refused: ${name}`, async () => {
    await assert.rejects(async () => await llm.generate('Once', options as unknown as GenerateOptions), { code })
    assert.equal(llm.stats().running, 0)
  })
}

test('an expression that comes to too much while it is read fails its own request alone', async () => {
  const [bad, good] = await Promise.allSettled([
    llm.generate('Once', { guidedRegex: '((a{1,90}){1,90}){1,90}', temperature: 1, seed: 1, maxTokens: 200 }),
    llm.generate('Once', { ...asPerson, temperature: 1, seed: 2, maxTokens: 150 }),
  ])
  if (bad.status === 'rejected') assert.equal(bad.reason.code, 'grammar-too-complex')
  assert.equal(good.status, 'fulfilled')
  assert.equal(llm.stats().running, 0)
})

/**
 * What masks cost: `npm run bench:grammar [-- MODEL ...]`. For each vocabulary (by default one made up of 32,000 and one of 128,000
 * tokens) and form: the time to compile it, to make a mask that was not asked for before, and to find one that was. Prints
 * medians and the worst in milliseconds, and the share of a 10 ms step that masks take on average.
 */
import {
  anyObjectGrammar,
  buildVocabulary,
  compileGrammar,
  type Grammar,
  Matcher,
  parseRegularExpression,
  schemaGrammar,
  type Vocabulary,
} from '../../src/grammar/index.js'
import { Tokenizer, tokenBytesOf } from '../../src/text/index.js'

const STEPS = 300
const ROUNDS = 5

const FORMS: Record<string, () => Grammar> = {
  'JSON object': anyObjectGrammar,
  'schema, 4 properties': () =>
    schemaGrammar({
      type: 'object',
      properties: {
        a: { type: 'integer', minimum: 3, maximum: 1e9 },
        s: { type: 'string', minLength: 3, maxLength: 200 },
        e: { enum: ['x', 'yy', 3] },
        l: { type: 'array', items: { type: 'number' }, minItems: 2, maxItems: 50 },
      },
      required: ['a', 's', 'e', 'l'],
      additionalProperties: false,
    }),
  'string, maxLength 2000': () => schemaGrammar({ type: 'string', maxLength: 2000 }),
  'regular expression': () => ({ root: parseRegularExpression('(\\w+ ){3,40}\\d{4}', 'whole'), rules: new Map() }),
}

/** Words of letters with and without a space, in about the lengths that tokenizers have, and every byte. */
function madeUp(size: number): Vocabulary {
  let state = 1
  const below = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  const words = new Set<string>()
  const marks = ['"', '",', '":', '"}', '{"', '"]', '\n', '\n  ', '  ', '}', ']', ': ', ', ']
  for (const mark of marks) words.add(mark)
  while (words.size < size - 256) {
    const letters = Array.from({ length: 1 + below(9) }, () => 'etaoinshrdlucmfwypvbgk'[below(22)]).join('')
    const form = below(20)
    words.add(form === 0 ? `${letters}"` : form === 1 ? `"${letters}` : form < 12 ? ` ${letters}` : letters)
  }
  const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))
  return buildVocabulary([...bytes, ...[...words].map((word) => new TextEncoder().encode(word))], size)
}

async function vocabularies(models: readonly string[]): Promise<[string, () => Vocabulary][]> {
  if (models.length === 0) return [32_000, 128_000].map((size) => [`${size} tokens`, () => madeUp(size)])
  const tokenizers = await Promise.all(models.map((model) => Tokenizer.load(model)))
  return tokenizers.map((tokenizer, i) => [
    models[i]!,
    () => buildVocabulary(tokenBytesOf(tokenizer!).bytes, tokenizer!.vocabSize),
  ])
}

function timed<T>(run: () => T): { value: T; ms: number } {
  const started = performance.now()
  const value = run()
  return { value, ms: performance.now() - started }
}

/** A text of tokens drawn from the masks: the times of masks that were new and of those that were known. */
function walk(matcher: Matcher, seed: number, known: Set<Uint32Array>, fresh: number[], found: number[]): void {
  let random = seed
  let state = matcher.begin(false)
  for (let step = 0; step < STEPS; step++) {
    const { value: mask, ms } = timed(() => matcher.allowed(state))
    if (known.has(mask)) found.push(ms)
    else fresh.push(ms)
    known.add(mask)
    const ids = [...mask.keys()].flatMap((word) => {
      return mask[word] === 0
        ? []
        : [...Array(32).keys()].filter((bit) => (mask[word]! >>> bit) & 1).map((bit) => 32 * word + bit)
    })
    if (ids.length === 0) return
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0
    state = matcher.advance(state, ids[random % ids.length]!)!
  }
}

function at(values: number[], share: number): string {
  const sorted = values.sort((a, b) => a - b)
  return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(3)
}

for (const [name, build] of await vocabularies(process.argv.slice(2))) {
  const { value: vocabulary, ms } = timed(build)
  console.log(`\n${name}: ${vocabulary.bytes.length} nodes, made in ${ms.toFixed(0)} ms`)
  console.log(
    '| form | compile | new mask, median | worst | known mask | of a 10 ms step |\n| --- | --- | --- | --- | --- | --- |',
  )
  for (const [form, grammar] of Object.entries(FORMS)) {
    const compiled = timed(() => compileGrammar(grammar()))
    const [fresh, found]: number[][] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      const matcher = new Matcher(compiled.value, vocabulary)
      const known = new Set<Uint32Array>()
      for (let text = 0; text < 4; text++) walk(matcher, 7 * round + text, known, fresh!, found!)
    }
    const all = [...fresh!, ...found!]
    const share = `${(100 * (all.reduce((sum, value) => sum + value, 0) / all.length / 10)).toFixed(1)} %`
    console.log(
      `| ${form} | ${compiled.ms.toFixed(1)} | ${at(fresh!, 0.5)} | ${at(fresh!, 1)} | ${at(found!, 0.5)} | ${share} |`,
    )
  }
}

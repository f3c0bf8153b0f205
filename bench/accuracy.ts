/**
 * What storage types cost in accuracy: `npm run bench:accuracy -- MODEL --file TEXTS`. Two numbers for each type beside
 * float32's: the mean negative log-likelihood of all tokens, and LAMBADA's task (Paperno et al. 2016), the last word of each
 * text: how often greedy decoding would have said it, and its mean log-probability.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { LLM, type LoadOptions, type Score } from '../src/index.js'

const USAGE = `npm run bench:accuracy -- MODEL --file TEXTS [options]

  --file TEXTS     a JSON array of texts, or JSON lines with a "text" field
  --limit N        the first N texts; 200 by default
  --positions N    leave out texts of more tokens; 256 by default
  --dtype LIST     beside f32; bf16,f16,int8,int8-g32,int4,int4-g128 by default
  --device NAME    cpu by default
  --json           one JSON object on standard output`

interface LastWord {
  readonly ids: readonly number[]
  /** Tokens of the last word. */
  readonly tokens: number
}

interface Accuracy {
  readonly dtype: string
  readonly nll: number
  readonly lastWordCorrect: number
  readonly lastWordLogprob: number
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    file: { type: 'string' },
    limit: { type: 'string', default: '200' },
    positions: { type: 'string', default: '256' },
    dtype: { type: 'string', default: 'bf16,f16,int8,int8-g32,int4,int4-g128' },
    device: { type: 'string', default: 'cpu' },
    json: { type: 'boolean', default: false },
  },
})
if (positionals.length !== 1 || !values.file) {
  process.stderr.write(`${USAGE}\n`)
  process.exit(2)
}

const texts = readTexts(values.file).slice(0, Number(values.limit))
const rows: Accuracy[] = []
let words: readonly LastWord[] = []
for (const dtype of ['f32', ...values.dtype.split(',')]) rows.push(await measure(dtype))
report()

async function measure(dtype: string): Promise<Accuracy> {
  const { device, positions } = values
  const llm = await LLM.load(positionals[0]!, { device, dtype, offline: true } as LoadOptions)
  try {
    words = texts.flatMap((text) => lastWord(llm, text) ?? []).filter(({ ids }) => ids.length <= Number(positions))
    const scores = await Promise.all(words.map(({ ids }) => llm.score(ids)))
    const ends = scores.map(({ logprobs }, i) => logprobs.slice(-words[i]!.tokens))
    const correct = ends.filter((end) => end.every(({ rank }) => rank === 1)).length
    const logprob = sum(ends.map((end) => sum(end.map((token) => token.logprob))))
    return {
      dtype,
      nll: -sum(scores.map(({ logLikelihood }: Score) => logLikelihood)) / sum(scores.map(({ tokens }) => tokens)),
      lastWordCorrect: correct / words.length,
      lastWordLogprob: logprob / words.length,
    }
  } finally {
    await llm.close()
  }
}

/** Undefined where the text's tokens do not begin with those of what stands before its last word. */
function lastWord(llm: LLM, text: string): LastWord | undefined {
  const whole = text.trimEnd()
  const before = llm.tokenize(whole.slice(0, Math.max(0, whole.lastIndexOf(' '))))
  const ids = llm.tokenize(whole)
  const splits = before.length > 1 && before.length < ids.length && before.every((id, i) => ids[i] === id)
  return splits ? { ids, tokens: ids.length - before.length } : undefined
}

function readTexts(path: string): string[] {
  const content = readFileSync(path, 'utf8')
  if (path.endsWith('.json')) return JSON.parse(content)
  return content
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).text)
}

function report(): void {
  const exact = rows[0]!
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ texts: words.length, rows })}\n`)
    return
  }
  process.stdout.write(`${words.length} texts\n\ndtype      NLL     of f32's    last word   its log-probability\n`)
  for (const { dtype, nll, lastWordCorrect, lastWordLogprob } of rows) {
    const loss = 100 * (nll / exact.nll - 1)
    const cells = [
      dtype.padEnd(9),
      nll.toFixed(4),
      `${loss >= 0 ? '+' : ''}${loss.toFixed(2)} %`.padStart(9),
      `${(100 * lastWordCorrect).toFixed(1)} %`.padStart(9),
      lastWordLogprob.toFixed(3).padStart(9),
    ]
    process.stdout.write(`${cells.join('   ')}\n`)
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

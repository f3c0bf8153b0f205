import { Command } from 'commander'
import { type LLM, type Score, WarplineError } from '../../index.js'
import { addModelFlags } from '../flags.js'
import { modelName, withModel } from '../model.js'
import { say, write, writeJson } from '../output.js'
import { readText } from '../read-text.js'
import { UsageError } from '../usage-error.js'
import { collect, collectIds, wholeFrom } from '../values.js'

interface Values extends Record<string, unknown> {
  model?: string
  text?: string[]
  file?: string
  promptIds?: (readonly number[])[]
  limit?: number
  maxPositions?: number
  addSpecialTokens: boolean
  json?: boolean
}

type Text = string | readonly number[]

export function scoreCommand(): Command {
  return addModelFlags(new Command('score'), { bundled: false })
    .description('how likely a model finds texts: log-likelihood and perplexity')
    .option('--text <text>', 'a text (repeatable)', collect)
    .option('--file <file>', 'a JSON array of strings, JSON lines with a "text" field, or a plain text (- is stdin)')
    .option('--prompt-ids <ids>', 'a text as token ids (repeatable)', collectIds)
    .option('--limit <count>', 'only the first texts of the file', wholeFrom(1))
    .option('--max-positions <tokens>', 'cut each text to this many tokens (default: the context)', wholeFrom(2))
    .option('--no-add-special-tokens', 'do not add BOS and its like to a text')
    .option('--json', 'print one JSON object with every text’s score')
    .action(run)
}

async function run(argument: string | undefined, values: Values): Promise<void> {
  const name = modelName(argument, values)
  const texts = await readTexts(values)
  await withModel(name, values, async (llm) => {
    const sequences = cut(encode(llm, texts, values.addSpecialTokens), llm, values.maxPositions)
    const scores = await Promise.all(sequences.map((tokens) => llm.score(tokens)))
    const total = totalScore(scores)
    if (values.json) await writeJson({ ...total, texts: scores })
    else await write(report(total))
    say(`${llm.info.device} ${llm.info.dtype}`)
  })
}

/** Refuses what cannot be scored before anything is. */
function encode(llm: LLM, texts: readonly Text[], addSpecialTokens: boolean): (readonly number[])[] {
  return texts.map((text, i) => {
    const tokens = typeof text === 'string' ? llm.tokenize(text, { addSpecialTokens }) : text
    if (tokens.length >= 2) return tokens
    const which = texts.length > 1 ? `text ${i + 1} of ${texts.length}` : 'the text'
    const count = tokens.length === 1 ? '1 token' : 'no tokens'
    throw new WarplineError('prompt-empty', `${which} has ${count}; a score takes two: each token after the first`)
  })
}

/** What stands beyond the limit is not part of the score, so it is said aloud. */
function cut(sequences: readonly (readonly number[])[], llm: LLM, maxPositions = Infinity): (readonly number[])[] {
  const limit = Math.min(maxPositions, llm.info.contextLength)
  const long = sequences.filter((tokens) => tokens.length > limit)
  if (sequences.length === 1 && long.length === 1) say(`the text was cut from ${long[0]!.length} to ${limit} tokens`)
  else if (long.length > 0) say(`${long.length} of ${sequences.length} texts were cut to ${limit} tokens`)
  return sequences.map((tokens) => tokens.slice(0, limit))
}

function totalScore(scores: readonly Score[]) {
  const tokens = scores.reduce((sum, score) => sum + score.tokens, 0)
  const logLikelihood = scores.reduce((sum, score) => sum + score.logLikelihood, 0)
  const meanNegativeLogLikelihood = -logLikelihood / tokens
  return { tokens, logLikelihood, meanNegativeLogLikelihood, perplexity: Math.exp(meanNegativeLogLikelihood) }
}

function report(total: ReturnType<typeof totalScore>): string {
  return [
    `predicted tokens              ${total.tokens}`,
    `log-likelihood                ${total.logLikelihood.toFixed(4)}`,
    `mean negative log-likelihood  ${total.meanNegativeLogLikelihood.toFixed(4)}`,
    `perplexity                    ${total.perplexity.toFixed(4)}`,
    '',
  ].join('\n')
}

async function readTexts(values: Values): Promise<readonly Text[]> {
  const given = [values.text, values.file, values.promptIds].filter((value) => value !== undefined)
  if (given.length !== 1) throw new UsageError('give one of --text, --file and --prompt-ids')
  if (values.promptIds) return values.promptIds
  if (values.text) return values.text
  return (await textsOfFile(values.file!)).slice(0, values.limit)
}

async function textsOfFile(path: string): Promise<string[]> {
  const content = await readText(path)
  const texts = path.endsWith('.json')
    ? parse(content, path)
    : path.endsWith('.jsonl')
      ? jsonLines(content, path)
      : [content]
  if (!Array.isArray(texts) || texts.length === 0 || texts.some((text) => typeof text !== 'string')) {
    throw new WarplineError(
      'file-invalid',
      `${path}: expected texts (an array of strings, or lines with a "text" field)`,
    )
  }
  return texts
}

function jsonLines(content: string, path: string): unknown[] {
  const lines = content.split('\n').filter((line) => line.trim())
  return lines.map((line) => (parse(line, path) as { text?: unknown } | null)?.text)
}

function parse(content: string, path: string): unknown {
  try {
    return JSON.parse(content)
  } catch (error) {
    throw new WarplineError('file-invalid', `${path}: ${(error as Error).message}`, { cause: error })
  }
}

import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { type Score, WarplineError } from '../../index.js'
import { addModelFlags, collect, ids, integer } from '../flags.js'
import { modelName, withModel } from '../model.js'
import { say, write, writeJson } from '../output.js'
import { UsageError } from '../usage-error.js'

interface Values extends Record<string, unknown> {
  model?: string
  text?: string[]
  file?: string
  promptIds?: number[]
  limit?: number
  maxPositions?: number
  json?: boolean
}

type Text = string | readonly number[]

export function scoreCommand(): Command {
  return addModelFlags(new Command('score'))
    .description('how likely a model finds texts: log-likelihood and perplexity')
    .option('--text <text>', 'a text (repeatable)', collect)
    .option('--file <file>', 'texts: a JSON array of strings, JSON lines with a "text" field, or one plain text')
    .option('--prompt-ids <ids>', 'a text as token ids', ids)
    .option('--limit <count>', 'only the first texts of the file', integer)
    .option('--max-positions <tokens>', 'cut each text to this many tokens (by default the context)', integer)
    .option('--json', 'print one JSON object with every text’s score')
    .action(run)
}

async function run(argument: string | undefined, values: Values): Promise<void> {
  const name = modelName(argument, values)
  const texts = await readTexts(values)
  await withModel(name, values, async (llm) => {
    const limit = Math.min(values.maxPositions ?? llm.info.contextLength, llm.info.contextLength)
    const scores = await Promise.all(
      texts.map((text) => {
        const tokens = typeof text === 'string' ? llm.tokenize(text) : text
        return llm.score(tokens.slice(0, limit))
      }),
    )
    const total = totalScore(scores)
    if (values.json) await writeJson({ ...total, texts: scores })
    else await write(report(total))
    say(`${llm.info.device} ${llm.info.dtype}`)
  })
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
  if (values.promptIds) return [values.promptIds]
  if (values.text) return values.text
  return (await textsOfFile(values.file!)).slice(0, values.limit)
}

async function textsOfFile(path: string): Promise<string[]> {
  let content: string
  try {
    content = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
  } catch (error) {
    throw new WarplineError('file-unreadable', `${path}: ${(error as Error).message}`, { cause: error })
  }
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

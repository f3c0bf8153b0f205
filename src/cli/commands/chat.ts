import { basename } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import { BUNDLED_MODEL, type ChatMessage, type LLM, type Result } from '../../index.js'
import { addGenerationFlags, addModelFlags, generateOptions } from '../flags.js'
import { modelName, withModel } from '../model.js'
import { say, summaryLine, write, writeJson } from '../output.js'

interface Values extends Record<string, unknown> {
  model?: string
  system?: string
  message?: string
  json?: boolean
}

const HELP = `/clear forgets the conversation, /quit (or Ctrl-D) leaves, Ctrl-C stops an answer`

export function chatCommand(): Command {
  const command = new Command('chat').description('talk with a model; history is kept, Ctrl-C stops an answer')
  return addGenerationFlags(addModelFlags(command))
    .option('--system <text>', 'a system message')
    .option('--message <text>', 'ask once, print the answer and leave')
    .option('--json', 'with --message: print one JSON object')
    .action(run)
}

async function run(argument: string | undefined, values: Values): Promise<void> {
  await withModel(modelName(argument, values, BUNDLED_MODEL), values, async (llm) => {
    const history: ChatMessage[] = values.system === undefined ? [] : [{ role: 'system', content: values.system }]
    if (values.message !== undefined) await once(llm, [...history, { role: 'user', content: values.message }], values)
    else await converse(llm, history, values)
  })
}

async function once(llm: LLM, messages: readonly ChatMessage[], values: Values): Promise<void> {
  const controller = new AbortController()
  const stop = () => controller.abort()
  process.once('SIGINT', stop)
  const result = await answer(llm, messages, values, controller.signal, values.json === true)
  process.off('SIGINT', stop)
  if (values.json) await writeJson(result)
  say(summaryLine([result], `${llm.info.device} ${llm.info.dtype}`))
}

async function converse(llm: LLM, history: ChatMessage[], values: Values): Promise<void> {
  const beginning = history.length
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: process.stdin.isTTY })
  let answering: AbortController | undefined
  terminal.on('SIGINT', () => {
    if (answering) answering.abort()
    else terminal.close()
  })
  say(`${basename(llm.info.name)} on ${llm.info.device}. ${HELP}`)
  terminal.setPrompt('> ')
  terminal.prompt()
  for await (const line of terminal) {
    const text = line.trim()
    if (text === '/quit') break
    if (text === '/clear') history.length = beginning
    else if (text === '/help') say(HELP)
    else if (text) {
      answering = new AbortController()
      try {
        const messages: ChatMessage[] = [...history, { role: 'user', content: text }]
        const result = await answer(llm, messages, values, answering.signal, false)
        history.push(messages.at(-1)!, { role: 'assistant', content: result.text })
      } catch (error) {
        // A conversation outlives a question that cannot be answered (one that is too long, say).
        say(String(error))
      }
      answering = undefined
    }
    terminal.prompt()
  }
  terminal.close()
}

async function answer(
  llm: LLM,
  messages: readonly ChatMessage[],
  values: Values,
  signal: AbortSignal,
  silent: boolean,
): Promise<Result> {
  const generation = llm.chat(messages, { ...generateOptions(values), signal })
  if (!silent) {
    for await (const part of generation) if (part.index === 0) await write(part.text)
    await write('\n')
  }
  return generation
}

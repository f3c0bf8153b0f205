import { basename } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import {
  BUNDLED_MODEL,
  type ChatMessage,
  type Generation,
  isWarplineError,
  type LLM,
  type Result,
} from '../../index.js'
import { Conversation } from '../conversation.js'
import { Exit, FAILURE, INTERRUPTED } from '../exit.js'
import { addGenerationFlags, addModelFlags, checkOutput, generateOptions } from '../flags.js'
import { messageOf } from '../message.js'
import { abortOnInterrupt, modelName, withModel } from '../model.js'
import { say, summaryLine, write, writeJson } from '../output.js'
import { UsageError } from '../usage-error.js'

interface Values extends Record<string, unknown> {
  model?: string
  system?: string
  message?: string
  n?: number
  json?: boolean
}

const HELP = '/clear forgets the conversation, /quit (or Ctrl-D) leaves, Ctrl-C stops an answer'

export function chatCommand(): Command {
  const command = new Command('chat').description('talk with a model; history is kept, Ctrl-C stops an answer')
  return addGenerationFlags(addModelFlags(command, { bundled: true }))
    .option('--system <text>', 'a system message')
    .option('--message <text>', 'ask once, print the answer and leave')
    .option('--json', 'with --message: print one JSON object')
    .action(run)
}

async function run(argument: string | undefined, values: Values): Promise<void> {
  const name = modelName(argument, values, BUNDLED_MODEL)
  checkUsage(values)
  const { message } = values
  await withModel(name, values, (llm) =>
    message === undefined ? converse(llm, values) : answerOnce(llm, message, values),
  )
}

function checkUsage(values: Values): void {
  if (values.json && values.message === undefined) throw new UsageError('--json answers once; add --message')
  if (!values.json && values.n !== undefined && values.n > 1) {
    throw new UsageError('--n above 1 gives several answers, which --message shows with --json only')
  }
  checkOutput(values)
}

async function answerOnce(llm: LLM, message: string, values: Values): Promise<void> {
  const system: ChatMessage[] = values.system === undefined ? [] : [{ role: 'system', content: values.system }]
  const { signal, dispose } = abortOnInterrupt()
  try {
    const messages: ChatMessage[] = [...system, { role: 'user', content: message }]
    const generation = llm.chat(messages, { ...generateOptions(values), signal })
    const result = values.json ? await generation : await stream(generation)
    if (values.json) await writeJson(result)
    say(summaryLine([result], `${llm.info.device} ${llm.info.dtype}`))
    if (signal.aborted) throw new Exit(INTERRUPTED)
  } finally {
    dispose()
  }
}

async function stream(generation: Generation<Result>): Promise<Result> {
  for await (const part of generation) if (part.index === 0) await write(part.text)
  await write('\n')
  return generation
}

/** Reads questions from a terminal, or from a pipe: then nothing prompts, and an unanswered question is a failure. */
async function converse(llm: LLM, values: Values): Promise<void> {
  const conversation = new Conversation(llm, generateOptions(values), values.system)
  const interactive = process.stdin.isTTY === true && process.stderr.isTTY === true
  const terminal = createInterface({
    input: process.stdin,
    output: process.stderr,
    terminal: interactive,
    prompt: '> ',
  })
  const prompt = () => interactive && terminal.prompt()
  let answering: AbortController | undefined
  let leaving = false
  let quit = false
  let unanswered = 0
  const interrupt = () => {
    if (answering) return answering.abort()
    if (leaving && terminal.line === '') return terminal.close()
    leaving = true
    if (interactive) clearLine()
    say('\npress Ctrl-C again or Ctrl-D to leave')
    prompt()
  }
  const clearLine = () => {
    terminal.write(null, { ctrl: true, name: 'e' })
    terminal.write(null, { ctrl: true, name: 'u' })
  }
  // A terminal in raw mode tells readline of Ctrl-C; without one it comes as a signal.
  terminal.on('SIGINT', interrupt)
  process.on('SIGINT', interrupt)
  try {
    say(`${basename(llm.info.name)} on ${llm.info.device}. ${HELP}`)
    prompt()
    for await (const line of terminal) {
      const text = line.trim()
      leaving = false
      quit = text === '/quit'
      if (quit) break
      if (text.startsWith('/')) command(text, conversation)
      else if (text) {
        answering = new AbortController()
        if (!(await answer(conversation, text, answering.signal, llm))) unanswered++
        answering = undefined
      }
      prompt()
    }
  } finally {
    process.off('SIGINT', interrupt)
    terminal.close()
  }
  if (interactive && !quit) say('')
  if (!interactive && unanswered > 0) throw new Exit(FAILURE)
}

function command(text: string, conversation: Conversation): void {
  if (text === '/clear') {
    conversation.forget()
    say('the conversation is forgotten')
  } else if (text === '/help') say(HELP)
  else say(`there is no command ${text.split(/\s/)[0]}; ${HELP}`)
}

/** Whether there was an answer: a conversation outlives a question that has none (one that is too long, say). */
async function answer(conversation: Conversation, question: string, signal: AbortSignal, llm: LLM): Promise<boolean> {
  try {
    const { text } = await stream(conversation.ask(question, signal))
    conversation.remember(question, text)
    return true
  } catch (error) {
    if (!isWarplineError(error)) throw error
    const { contextLength } = llm.info
    if (error.code !== 'context-too-long') say(messageOf(error))
    else if (conversation.isEmpty)
      say(`context-too-long: the model holds ${contextLength} tokens; ask something shorter`)
    else say(`context-too-long: the conversation exceeds the model's ${contextLength} tokens; /clear begins a new one`)
    return false
  }
}

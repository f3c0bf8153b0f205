import { readFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { pino } from 'pino'
import { BUNDLED_MODEL, type LLM, WarplineError } from '../../index.js'
import type { RunningServer } from '../../server/index.js'
import { readError } from '../../weights/file-error.js'
import { addModelFlags } from '../flags.js'
import { modelName, withModel } from '../model.js'
import { say } from '../output.js'
import { UsageError } from '../usage-error.js'
import { collect, number, wholeFrom } from '../values.js'

const KEY_VARIABLE = 'WARPLINE_API_KEY'
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent']

interface Values extends Record<string, unknown> {
  model?: string
  host: string
  port: number
  servedName?: string[]
  apiKey?: string[]
  apiKeyFile?: string
  corsOrigin?: string[]
  allowedHost?: string[]
  maxQueue?: number
  maxPerKey?: number
  maxBodyBytes?: number
  answerTimeout?: number
  shutdownTimeout?: number
  drainDelay?: number
  maxChoices?: number
  maxLogprobs?: number
  playground: boolean
  worker: boolean
  logLevel: string
}

export function serveCommand(): Command {
  return addModelFlags(new Command('serve'), { bundled: true })
    .description('serve a model over HTTP: the OpenAI API, metrics, and a page to try it at /')
    .option('--host <address>', 'where to listen; 0.0.0.0 is everywhere', '127.0.0.1')
    .option('--port <number>', '0 takes a free one', port, 8000)
    .option('--served-name <name>', 'what requests call the model (repeatable; the first stands in answers)', collect)
    .option(
      '--api-key <key>',
      `a key that requests must carry (repeatable; better in a file or ${KEY_VARIABLE})`,
      collect,
    )
    .option('--api-key-file <file>', 'keys, one a line')
    .option('--cors-origin <origin>', 'a web origin that may call from a browser (repeatable; default: none)', collect)
    .option('--allowed-host <name>', 'a host name to answer to, besides addresses and localhost (repeatable)', collect)
    .option('--max-queue <count>', 'prompts that may wait; more are told to come back (429)', wholeFrom(0))
    .option('--max-per-key <count>', 'prompts that one key may have open', wholeFrom(1))
    .option('--max-body-bytes <bytes>', 'size of a request', wholeFrom(1))
    .option('--answer-timeout <seconds>', 'what an answer may take', seconds)
    .option('--shutdown-timeout <seconds>', 'what open requests may still take after SIGTERM', seconds)
    .option('--drain-delay <seconds>', 'after SIGTERM: say "not ready" for so long before refusing requests', seconds)
    .option('--max-choices <count>', 'limit of n and best_of', wholeFrom(1))
    .option('--max-logprobs <count>', 'limit of logprobs', wholeFrom(0))
    .option('--no-playground', 'no page at /')
    .option('--no-worker', "run the engine in the server's own thread")
    .addOption(new Option('--log-level <level>', 'of the log on standard error').choices(LEVELS).default('info'))
    .action(run)
}

async function run(argument: string | undefined, values: Values): Promise<void> {
  const name = modelName(argument, values, BUNDLED_MODEL)
  const apiKeys = await readKeys(values)
  const log = pino({ level: values.logLevel, base: undefined }, pino.destination({ dest: 2, sync: true }))
  const onEngineCrash = ({ message, restartMs }: { message: string; restartMs: number }) =>
    log.error({ restartMs, reason: message }, 'the engine failed')
  const load = values.worker ? { worker: true, onEngineCrash } : {}
  // Only where it is used: the server brings its libraries with it.
  const { serve } = await import('../../server/index.js')
  await withModel(
    name,
    values,
    async (llm) => {
      const server = await serve(llm, { ...serverOptions(values, apiKeys), logger: log })
      announce(server, llm, apiKeys)
      await untilToldToStop(server)
    },
    load,
  )
}

function serverOptions(values: Values, apiKeys: readonly string[]) {
  const ms = (value: number | undefined) => (value === undefined ? undefined : value * 1000)
  const { maxChoices: choices, maxLogprobs: logprobs } = values
  return {
    host: values.host,
    port: values.port,
    modelNames: values.servedName,
    apiKeys,
    corsOrigins: values.corsOrigin,
    allowedHosts: values.allowedHost,
    maxQueue: values.maxQueue,
    maxPerKey: values.maxPerKey,
    maxBodyBytes: values.maxBodyBytes,
    answerTimeoutMs: ms(values.answerTimeout),
    shutdownTimeoutMs: ms(values.shutdownTimeout),
    drainDelayMs: ms(values.drainDelay),
    limits: { ...(choices !== undefined && { choices }), ...(logprobs !== undefined && { logprobs }) },
    playground: values.playground,
  }
}

function announce(server: RunningServer, llm: LLM, apiKeys: readonly string[]): void {
  const { name, device, dtype, contextLength } = llm.info
  say(`${name} on ${device} ${dtype}, ${contextLength} tokens of context`)
  const keys = apiKeys.length === 1 ? '1 key' : `${apiKeys.length} keys`
  say(`listening on ${server.url} (${apiKeys.length > 0 ? keys : 'no API key needed'}); Ctrl-C stops`)
}

/** The first SIGTERM or Ctrl-C lets open requests finish, the second ends the process. */
async function untilToldToStop(server: RunningServer): Promise<void> {
  const signals = ['SIGTERM', 'SIGINT'] as const
  let leave = () => {}
  const told = new Promise<void>((resolve) => (leave = resolve))
  const hear = () => leave()
  for (const signal of signals) process.once(signal, hear)
  await told
  for (const signal of signals) process.on(signal, () => process.exit(1))
  say('stopping: open requests may finish')
  const finished = await server.stop()
  say(finished ? 'stopped' : 'stopped; requests that took too long were ended')
}

/** From flags, a file and the environment together. What is given and empty is a mistake, not an open door. */
async function readKeys({ apiKey = [], apiKeyFile }: Values): Promise<string[]> {
  const inEnvironment = process.env[KEY_VARIABLE]
  const fromFile = apiKeyFile === undefined ? [] : lines(await readFile(apiKeyFile, 'utf8').catch(rethrow(apiKeyFile)))
  if (apiKeyFile !== undefined && fromFile.length === 0) {
    throw new WarplineError('api-key-invalid', `${apiKeyFile} holds no key; write one a line`)
  }
  const keys = [...apiKey, ...fromFile, ...(inEnvironment === undefined ? [] : [inEnvironment.trim()])]
  if (keys.some((key) => !/^[\x21-\x7e]+$/.test(key))) {
    throw new WarplineError('api-key-invalid', 'an API key is empty, or holds spaces or characters beyond ASCII')
  }
  return keys
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

function rethrow(file: string): (error: unknown) => never {
  return (error) => {
    throw readError(file, error)
  }
}

function port(text: string): number {
  const value = wholeFrom(0)(text)
  if (value > 65_535) throw new UsageError(`there is no port ${value}; the last is 65535`)
  return value
}

function seconds(text: string): number {
  const value = number(text)
  if (value < 0 || value > 86_400) throw new UsageError(`${value} s is out of range; give 0 to 86400`)
  return value
}

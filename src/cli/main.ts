#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { isWarplineError } from '../index.js'
import { benchCommand } from './commands/bench.js'
import { chatCommand } from './commands/chat.js'
import { doctorCommand } from './commands/doctor.js'
import { generateCommand } from './commands/generate.js'
import { inspectCommand } from './commands/inspect.js'
import { pullCommand } from './commands/pull.js'
import { scoreCommand } from './commands/score.js'
import { UsageError } from './usage-error.js'

const WRONG_USAGE = 2

export function program(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const root = new Command('warpline')
    .description('Runs GPT models as fast as the hardware allows.')
    .version(version)
    .option('--debug', 'show the stack of an error')
    .showSuggestionAfterError()
    .exitOverride()
  const commands = [
    generateCommand(),
    chatCommand(),
    scoreCommand(),
    inspectCommand(),
    benchCommand(),
    pullCommand(),
    doctorCommand(),
  ]
  for (const command of commands) {
    root.addCommand(command.option('--debug', 'show the stack of an error').exitOverride().showSuggestionAfterError())
  }
  return root
}

/** Exit codes: 0 success, 1 failure, 2 wrong usage. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(argv as string[], { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USAGE
    if (isClosedPipe(error)) return 0
    const message = isWarplineError(error) ? `${error.code}: ${error.message}` : `unexpected: ${String(error)}`
    process.stderr.write(`${message.replaceAll('\n', ' ')}\n`)
    if (argv.includes('--debug') && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    return error instanceof UsageError ? WRONG_USAGE : 1
  }
}

/** `warpline generate | head -1`: the reader has seen enough, which is no failure. */
function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}

process.stdout.on('error', (error) => {
  if (isClosedPipe(error)) process.exit(0)
})
process.exitCode = await main(process.argv.slice(2))

#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { benchCommand } from './commands/bench.js'
import { chatCommand } from './commands/chat.js'
import { doctorCommand } from './commands/doctor.js'
import { generateCommand } from './commands/generate.js'
import { helpCommand } from './commands/help.js'
import { inspectCommand } from './commands/inspect.js'
import { profileCommand } from './commands/profile.js'
import { pullCommand } from './commands/pull.js'
import { scoreCommand } from './commands/score.js'
import { Exit, exitCodeOf, WRONG_USAGE } from './exit.js'
import { messageOf } from './message.js'
import { isClosedPipe, say } from './output.js'
import { UsageError } from './usage-error.js'

export function program(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const root = withErrors(new Command('warpline'))
    .description('Runs GPT models as fast as the hardware allows.')
    .version(version)
    .helpCommand(false)
  const commands = [
    generateCommand(),
    chatCommand(),
    scoreCommand(),
    inspectCommand(),
    benchCommand(),
    profileCommand(),
    pullCommand(),
    doctorCommand(),
    helpCommand(root),
  ]
  for (const command of commands) root.addCommand(withErrors(command))
  return root
}

/** Commander throws what is wrong instead of printing it: there is one place that prints. */
function withErrors(command: Command): Command {
  return command
    .option('--debug', 'show the stack of an error')
    .showSuggestionAfterError()
    .configureOutput({ outputError: () => {} })
    .exitOverride()
}

/** Returns the exit code: see `exitCodeOf`. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(argv as string[], { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return misuse(error)
    if (isClosedPipe(error)) return 0
    if (error instanceof Exit) return error.status
    say(messageOf(error))
    if (argv.includes('--debug') && error instanceof Error) say(String(error.stack))
    return exitCodeOf(error)
  }
}

/** Help and version were asked for and have been shown. Help without being asked says that a command is missing. */
function misuse({ exitCode, code, message }: CommanderError): number {
  if (exitCode === 0) return 0
  if (code !== 'commander.help') say(messageOf(new UsageError(message.replace(/^error: /, ''))))
  return WRONG_USAGE
}

process.stdout.on('error', (error) => {
  if (isClosedPipe(error)) process.exit(0)
})
// Who closed standard error did not want to be told.
process.stderr.on('error', () => {})
process.exitCode = await main(process.argv.slice(2))

import { Command } from 'commander'
import { nearestName } from '../../errors.js'
import { UsageError } from '../usage-error.js'

export function helpCommand(root: Command): Command {
  return new Command('help')
    .description('display help for a command')
    .argument('[command]')
    .action((name?: string) => {
      const names = root.commands.map((command) => command.name())
      const command = name === undefined ? root : root.commands.find((each) => each.name() === name)
      if (command) return command.outputHelp()
      const nearest = nearestName(name!, names)
      throw new UsageError(`unknown command '${name}'${nearest ? ` (Did you mean ${nearest}?)` : ''}`)
    })
}

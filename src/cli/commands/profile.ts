import { Command } from 'commander'
import { BUNDLED_MODEL, chromeTrace, type ProfileOptions, profileModel } from '../../index.js'
import { writeAtomically } from '../../weights/atomic-write.js'
import { Exit, INTERRUPTED } from '../exit.js'
import { addModelFlags, loadOptions } from '../flags.js'
import { abortOnInterrupt, modelName, tellOfFallback } from '../model.js'
import { progressBars, say, write, writeJson } from '../output.js'
import { profileText } from '../profile-table.js'
import { wholeFrom } from '../values.js'

interface Values extends ProfileOptions, Record<string, unknown> {
  model?: string
  operations?: boolean
  trace?: string
  json?: boolean
}

export function profileCommand(): Command {
  return addModelFlags(new Command('profile'), { bundled: true })
    .description("where a prompt's and a decode step's time goes, beside what the machine could do")
    .option('--tokens <count>', 'length of the prompt (default: 128)', wholeFrom(1))
    .option('--batch <count>', 'sequences of the decode step (default: 1)', wholeFrom(1))
    .option('--context <tokens>', 'tokens that each of them holds (default: as the prompt)', wholeFrom(1))
    .option('--repeats <count>', 'runs of each step; medians count (default: 5)', wholeFrom(1))
    .option('--operations', 'a row for each operation, not for each role in a layer')
    .option('--trace <file>', "write a timeline too, in Chrome's trace format")
    .option('--json', 'print one JSON object')
    .action(run)
}

async function run(argument: string | undefined, values: Values): Promise<void> {
  const name = modelName(argument, values, BUNDLED_MODEL)
  const { tokens, batch, context, repeats } = values
  const bars = progressBars()
  const { signal, dispose } = abortOnInterrupt()
  try {
    const options = { ...loadOptions(values), onProgress: bars.onProgress, signal }
    const report = await profileModel(name, options, { tokens, batch, context, repeats })
    bars.stop()
    tellOfFallback(report.device, values)
    if (values.trace !== undefined) await writeTrace(values.trace, chromeTrace(report))
    if (values.json) return await writeJson(report)
    await write(`${profileText(report, { ...terminal(), operations: values.operations ?? false })}\n`)
    say(`${report.device} ${report.dtype}, medians of ${report.repeats}`)
  } catch (error) {
    throw signal.aborted ? new Exit(INTERRUPTED) : error
  } finally {
    bars.stop()
    dispose()
  }
}

function terminal(): { width: number; colour: boolean } {
  const { isTTY = false, columns = 120 } = process.stdout
  return { width: columns, colour: isTTY && !process.env.NO_COLOR }
}

async function writeTrace(path: string, trace: object): Promise<void> {
  await writeAtomically(path, async (handle) => handle.writeFile(JSON.stringify(trace)))
  say(`timeline in ${path}: open it in https://ui.perfetto.dev or chrome://tracing`)
}

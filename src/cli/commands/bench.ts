import { cpus } from 'node:os'
import { Command, Option } from 'commander'
import { type BenchRow, BUNDLED_MODEL, benchModel } from '../../index.js'
import { addModelFlags } from '../flags.js'
import { modelName, withModel } from '../model.js'
import { peakMemory, rounded, say, write, writeJson } from '../output.js'
import { counts, wholeFrom } from '../values.js'

interface Values extends Record<string, unknown> {
  model?: string
  prompts: number[]
  batches: number[]
  newTokens: number
  repeats: number
  json?: boolean
}

export function benchCommand(): Command {
  return addModelFlags(new Command('bench'), { bundled: true })
    .description('prompt and decode throughput of a model on this machine, on random tokens')
    .addOption(countsOption('--prompts <lengths>', 'prompt lengths', [32, 128]))
    .addOption(countsOption('--batches <sizes>', 'sequences that decode together', [1, 8]))
    .option('--new-tokens <count>', 'tokens that each sequence decodes', wholeFrom(1), 32)
    .option('--repeats <count>', 'runs of each; the median counts', wholeFrom(1), 3)
    .option('--json', 'print one JSON object')
    .action(run)
}

function countsOption(flags: string, description: string, byDefault: readonly number[]): Option {
  return new Option(flags, description).argParser(counts).default(byDefault, byDefault.join())
}

async function run(argument: string | undefined, values: Values): Promise<void> {
  const name = modelName(argument, values, BUNDLED_MODEL)
  const started = performance.now()
  await withModel(name, values, async (llm) => {
    const loadMs = performance.now() - started
    const { prompts, batches, newTokens, repeats } = values
    const rows = await benchModel(llm, { prompts, batches, newTokens, repeats })
    const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version }
    if (values.json) await writeJson({ model: llm.info, machine, loadMs, peakMemory: peakMemory(), rows })
    else await write(`${table(rows)}\n`)
    say(`${llm.info.device} ${llm.info.dtype}, loaded in ${rounded(loadMs)} ms, ${machine.cpu}, ${machine.cores} cores`)
  })
}

function table(rows: readonly BenchRow[]): string {
  const lines = rows.map((row) =>
    [row.phase, row.batch, row.tokens, rounded(row.tokensPerSecond), rounded(row.slowest), rounded(row.fastest)].map(
      String,
    ),
  )
  const all = [['phase', 'batch', 'tokens', 'tok/s', 'slowest', 'fastest'], ...lines]
  const widths = all[0]!.map((_, i) => Math.max(...all.map((line) => line[i]!.length)))
  return all
    .map((line) => line.map((cell, i) => (i ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  '))
    .join('\n')
}

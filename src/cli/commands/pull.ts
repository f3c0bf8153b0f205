import { Command } from 'commander'
import { pull } from '../../index.js'
import { abortOnInterrupt, modelName } from '../model.js'
import { progressBars, write, writeJson } from '../output.js'

interface Values {
  model?: string
  revision?: string
  cacheDir?: string
  offline?: boolean
  json?: boolean
}

export function pullCommand(): Command {
  return new Command('pull')
    .description('download a model from the Hugging Face hub into the shared cache; resumes, checks hashes')
    .argument('[model]', 'its name on the hub, like openai-community/gpt2')
    .option('--model <model>', 'the same, as a flag')
    .option('--revision <name>', 'branch, tag or commit')
    .option('--cache-dir <folder>', 'instead of the shared cache')
    .option('--offline', 'download nothing: say where the cache holds the model')
    .option('--json', 'print one JSON object')
    .action(run)
}

async function run(argument: string | undefined, values: Values): Promise<void> {
  const name = modelName(argument, values)
  const interrupt = abortOnInterrupt()
  const bars = progressBars()
  try {
    const { revision, cacheDir, offline } = values
    const directory = await pull(name, {
      ...{ revision, cacheDir, offline, signal: interrupt.signal },
      onProgress: ({ done, total }) => bars.onProgress({ stage: 'pull', done, total }),
    })
    bars.stop()
    await (values.json ? writeJson({ model: name, directory }) : write(`${directory}\n`))
  } finally {
    bars.stop()
    interrupt.dispose()
  }
}

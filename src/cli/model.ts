import { LLM } from '../index.js'
import { loadOptions } from './flags.js'
import { progressBars, say } from './output.js'
import { UsageError } from './usage-error.js'

/** The model a command was given: as its first argument or as `--model`, not both with different values. */
export function modelName(argument: string | undefined, values: { model?: string }, fallback?: string): string {
  if (argument !== undefined && values.model !== undefined && argument !== values.model) {
    throw new UsageError(`two models are named, ${argument} and ${values.model}; name one`)
  }
  const name = argument ?? values.model ?? fallback
  if (name === undefined) throw new UsageError('name a model: a folder, or a name on the Hugging Face hub')
  return name
}

/** Loads with progress bars, runs, and closes whatever happens. */
export async function withModel<T>(
  name: string,
  values: Record<string, unknown>,
  use: (llm: LLM) => Promise<T>,
): Promise<T> {
  const bars = progressBars()
  let llm: LLM
  try {
    llm = await LLM.load(name, { ...loadOptions(values), onProgress: bars.onProgress })
  } finally {
    bars.stop()
  }
  try {
    return await use(llm)
  } finally {
    await llm.close()
  }
}

/** The first Ctrl-C aborts politely, so that what is done is kept; the second ends the program. */
export function abortOnInterrupt(): AbortController & { dispose(): void } {
  const controller = new AbortController()
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130)
    say('\ncancelled; press Ctrl-C again to leave at once')
    controller.abort()
  }
  process.on('SIGINT', interrupt)
  return Object.assign(controller, { dispose: () => void process.off('SIGINT', interrupt) })
}

import { LLM } from '../index.js'
import { Exit, INTERRUPTED } from './exit.js'
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

/** Loads with progress bars, runs, and closes whatever happens. Ctrl-C stops the loading. */
export async function withModel<T>(
  name: string,
  values: Record<string, unknown>,
  use: (llm: LLM) => Promise<T>,
): Promise<T> {
  const llm = await load(name, values)
  try {
    return await use(llm)
  } finally {
    await llm.close()
  }
}

async function load(name: string, values: Record<string, unknown>): Promise<LLM> {
  const bars = progressBars()
  const { signal, dispose } = abortOnInterrupt()
  try {
    const llm = await LLM.load(name, { ...loadOptions(values), onProgress: bars.onProgress, signal })
    if (!signal.aborted) {
      tellOfFallback(llm.info.device, values)
      return llm
    }
    await llm.close()
    throw new Exit(INTERRUPTED)
  } catch (error) {
    if (signal.aborted) throw new Exit(INTERRUPTED)
    throw error
  } finally {
    bars.stop()
    dispose()
  }
}

/** Nobody who did not ask for it should take the reference backend's speed for this machine's. */
export function tellOfFallback(device: string, { device: asked = 'auto' }: Record<string, unknown>): void {
  if (device !== 'reference' || asked !== 'auto') return
  say('no native library: plain TypeScript runs, many times slower; warpline doctor says what to do')
}

export interface Interrupt {
  readonly signal: AbortSignal
  /** Ctrl-C ends the program at once again. */
  dispose(): void
}

/** The first Ctrl-C aborts politely, so that what is done is kept; the second ends the program. */
export function abortOnInterrupt(): Interrupt {
  const controller = new AbortController()
  const { signal } = controller
  const interrupt = () => {
    if (signal.aborted) process.exit(INTERRUPTED)
    say('\ncancelled; press Ctrl-C again to leave at once')
    controller.abort()
  }
  process.on('SIGINT', interrupt)
  return { signal, dispose: () => void process.off('SIGINT', interrupt) }
}

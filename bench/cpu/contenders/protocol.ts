import { readFileSync } from 'node:fs'

/** What to load, and how. */
export interface Setup {
  /** A folder (Warpline) or a file (the others). */
  readonly model: string
  readonly threads: number
  /** Most tokens of a sequence. */
  readonly context: number
  /** Most tokens of a step. */
  readonly batch: number
  /** Sequences that decode together at most. */
  readonly sequences: number
  /** The shape's, for contenders that are told what their model file does not say. */
  readonly layers: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocabulary: number
  readonly learnedPositions: boolean
  /** URL of the contender's library. */
  readonly library: string
  /** Warpline only. */
  readonly device?: string
  readonly dtype?: string
}

/**
 * An engine under test. Times are in milliseconds and cover everything between token ids and the next token ids. All
 * prompts of a call have the same length.
 */
export interface Contender {
  load(setup: Setup): Promise<void>
  /** One prompt, to its first new token. */
  prompt(tokens: readonly number[]): Promise<number>
  /** Greedy decoding of all prompts together, `steps` tokens each after their first. */
  decode(prompts: readonly (readonly number[])[], steps: number): Promise<number>
  /** Natural log-probabilities of what follows each prompt and its `forced` tokens, which are decoded one at a time. */
  next(prompts: readonly (readonly number[])[], forced: readonly (readonly number[])[]): Promise<Float32Array[]>
}

export type Method = keyof Contender | 'peakMemory'
export interface Call {
  readonly id: number
  readonly method: Method
  readonly args: readonly unknown[]
}
export interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** Answers the parent's calls, one after the other, until it goes away. */
export function serve(contender: Contender): void {
  const methods: Record<Method, (...args: never[]) => unknown> = {
    load: (setup: Setup) => contender.load(setup),
    prompt: (tokens: number[]) => contender.prompt(tokens),
    decode: (prompts: number[][], steps: number) => contender.decode(prompts, steps),
    next: (prompts: number[][], forced: number[][]) => contender.next(prompts, forced),
    peakMemory,
  }
  let previous = Promise.resolve()
  process.on('message', ({ id, method, args }: Call) => {
    previous = previous.then(async () => {
      try {
        process.send!({ id, value: await methods[method](...(args as never[])) } satisfies Answer)
      } catch (error) {
        process.send!({ id, error: error instanceof Error ? error.message : String(error) } satisfies Answer)
      }
    })
  })
  process.on('disconnect', () => process.exit())
}

export function logSoftmax(logits: Float32Array): Float32Array {
  const most = logits.reduce((a, b) => Math.max(a, b))
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0)
  return logits.map((logit) => logit - most - Math.log(sum))
}

/** Bytes resident at most. Linux counts the parent's memory into a child's maxRSS; its own account does not. */
function peakMemory(): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))!
    return Number(kilobytes) * 1024
  } catch {
    return process.resourceUsage().maxRSS * 1024
  }
}

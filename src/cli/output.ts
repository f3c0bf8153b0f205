import { MultiBar, Presets } from 'cli-progress'
import type { LoadProgress, Result } from '../index.js'
import { writeError } from '../weights/file-error.js'

/** Standard output carries data and nothing else; everything for eyes goes to standard error. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/**
 * Resolves once the text has left the process, so that a slow reader slows us and nothing is lost at exit. A reader who has
 * left rejects with Node's own EPIPE error; all else with `disk-full` or `file-unwritable`.
 */
export function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (!error) resolve()
      else reject(isClosedPipe(error) ? error : writeError('standard output', error))
    })
  })
}

/** `warpline generate | head -1`: the reader has seen enough, which is no failure. */
export function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}

export function writeJson(value: unknown): Promise<void> {
  return write(`${JSON.stringify(value, jsonValue)}\n`)
}

function jsonValue(_: string, value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Array.from(value as Float32Array)
  return typeof value === 'bigint' ? value.toString() : value
}

/** Bars while a model is downloaded and read; silent where nobody watches. */
export function progressBars(): { onProgress: (progress: LoadProgress) => void; stop: () => void } {
  if (!process.stderr.isTTY) return { onProgress: () => {}, stop: () => {} }
  const bars = new MultiBar(
    { stream: process.stderr, format: '{stage} [{bar}] {percentage}%', clearOnComplete: true, hideCursor: true },
    Presets.rect,
  )
  const byStage = new Map<string, ReturnType<MultiBar['create']>>()
  return {
    onProgress: ({ stage, done, total }) => {
      const bar = byStage.get(stage) ?? bars.create(total, 0, { stage })
      byStage.set(stage, bar)
      bar.setTotal(total)
      bar.update(done)
    },
    stop: () => bars.stop(),
  }
}

/** `24 prompt tokens (310 tok/s), 120 new tokens (95 tok/s), first token 80 ms, reference, 152 MB peak` */
export function summaryLine(results: readonly Result[], device: string): string {
  const total = (of: (result: Result) => number) => results.reduce((sum, result) => sum + of(result), 0)
  const prompt = total((result) => result.usage.promptTokens)
  const completion = total((result) => result.usage.completionTokens)
  const first = Math.min(...results.map((result) => result.timing.timeToFirstTokenMs))
  const promptRate = total((result) => result.timing.promptTokensPerSecond)
  const rate = total((result) => result.timing.tokensPerSecond)
  return [
    `${prompt} prompt tokens (${rounded(promptRate)} tok/s)`,
    `${completion} new tokens (${rounded(rate)} tok/s)`,
    `first token ${rounded(first)} ms`,
    device,
    `${rounded(peakMemory() / 1e6)} MB peak`,
  ].join(', ')
}

/** Bytes of resident memory at its highest. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024
}

export function rounded(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0)
}

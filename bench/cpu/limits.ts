import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { CACHE, KERNELS, LIMITS, NATIVE } from './paths.js'

/** What all threads together can do: bytes read a second, and operations a second by instruction; 0 is unknown. */
export interface Limits {
  readonly read: number
  readonly f32: number
  readonly bf16: number
  readonly int8: number
}

const SOURCES = [
  join(LIMITS, 'main.cc'),
  join(KERNELS, 'limits.cc'),
  ...['thread-pool', 'affinity', 'arena', 'barrier', 'cpu-features'].map((name) => join(NATIVE, 'core', `${name}.cc`)),
]

/** A program that measures the machine's limits whenever asked; undefined (and said why) where it cannot be compiled. */
export class LimitsProcess {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>
  private readonly lines: AsyncIterator<string>

  private constructor(program: string, threads: number) {
    this.child = spawn(program, [String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  static start(threads: number, say: (line: string) => void): LimitsProcess | undefined {
    try {
      return new LimitsProcess(compile(), threads)
    } catch (error) {
      say(`limits are not measured: ${(error as Error).message.split('\n')[0]}`)
      return undefined
    }
  }

  async measure(): Promise<Limits> {
    this.child.stdin.write('\n')
    const { value, done } = await this.lines.next()
    if (done) throw new Error('the program that measures limits ended')
    return JSON.parse(value)
  }

  close(): void {
    this.child.stdin.end()
  }
}

function compile(): string {
  const digest = createHash('sha256')
  for (const source of SOURCES) digest.update(readFileSync(source))
  const folder = join(CACHE, 'programs')
  const program = join(folder, `limits-${digest.digest('hex').slice(0, 16)}`)
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  const flags = ['-std=c++17', '-O3', '-pthread', '-I', NATIVE, '-I', KERNELS]
  execFileSync(process.env.CXX ?? 'c++', [...flags, ...SOURCES, '-o', program], { stdio: ['ignore', 'pipe', 'pipe'] })
  return program
}

/** The geometric mean of what was measured before and after a run. */
export function between(before: Limits, after: Limits): Limits {
  const mean = (key: keyof Limits) => Math.sqrt(before[key] * after[key])
  return { read: mean('read'), f32: mean('f32'), bf16: mean('bf16'), int8: mean('int8') }
}

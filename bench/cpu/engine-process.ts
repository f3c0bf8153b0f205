import { type ChildProcess, fork } from 'node:child_process'
import { basename } from 'node:path'
import type { Answer, Call, Method, Setup } from './contenders/protocol.js'

type Tokens = readonly number[]

/** A contender in a process of its own, kept alive between runs so that loading is not timed. */
export class EngineProcess {
  private readonly child: ChildProcess
  private readonly pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  private calls = 0
  private ended: Error | undefined

  constructor(module: string, environment: NodeJS.ProcessEnv = {}) {
    this.child = fork(module, {
      // Another's loaders and inspectors are no part of the contest.
      ...{ execArgv: [], env: { ...process.env, NODE_OPTIONS: '', ...environment } },
      ...{ serialization: 'advanced', stdio: ['ignore', 2, 2, 'ipc'] },
    })
    this.child.on('message', ({ id, value, error }: Answer) => {
      const call = this.pending.get(id)
      this.pending.delete(id)
      if (error === undefined) call?.resolve(value)
      else call?.reject(new Error(error))
    })
    this.child.on('exit', (code, signal) => this.end(new Error(`${basename(module)} ended (${signal ?? code})`)))
    this.child.on('error', (error) => this.end(error))
  }

  load(setup: Setup): Promise<void> {
    return this.call('load', setup)
  }

  /** Milliseconds from token ids to the next token. */
  prompt(tokens: Tokens): Promise<number> {
    return this.call('prompt', tokens)
  }

  /** Milliseconds for `steps` further tokens of every prompt. */
  decode(prompts: readonly Tokens[], steps: number): Promise<number> {
    return this.call('decode', prompts, steps)
  }

  next(prompts: readonly Tokens[], forced: readonly Tokens[]): Promise<Float32Array[]> {
    return this.call('next', prompts, forced)
  }

  /** Bytes. */
  peakMemory(): Promise<number> {
    return this.call('peakMemory')
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = new Promise((resolve) => this.child.once('exit', resolve))
    if (this.child.connected) this.child.disconnect()
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000)
    await gone
    clearTimeout(timer)
  }

  private call<T>(method: Method, ...args: unknown[]): Promise<T> {
    if (this.ended) return Promise.reject(this.ended)
    const id = this.calls++
    return new Promise<T>((resolve, reject) => {
      this.pending.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.child.send({ id, method, args } satisfies Call, (error) => error && reject(error))
    })
  }

  private end(error: Error): void {
    this.ended ??= error
    for (const { reject } of this.pending.values()) reject(this.ended)
    this.pending.clear()
  }
}

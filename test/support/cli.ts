import { type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

export const PROJECT = join(import.meta.dirname, '../..')

export interface Finished {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the built command line, as a user would, and collects what it says. */
export async function warpline(
  args: readonly string[],
  options: SpawnOptions & { input?: string | Uint8Array } = {},
): Promise<Finished> {
  const child = start(args, options)
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout!.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr!.on('data', (chunk: Buffer) => stderr.push(chunk))
  child.stdin!.end(options.input ?? '')
  const [status] = await once(child, 'close')
  return { status, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }
}

export function start(args: readonly string[], options: SpawnOptions = {}) {
  return spawn(process.execPath, [join(PROJECT, 'dist/cli/main.js'), ...args], { stdio: 'pipe', ...options })
}

import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** A directory that is gone after the test. */
export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'warpline-test-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Bytes of a safetensors file with this header, sound or not. `claimed` overrides the header length it states. */
export function safetensorsBytes(header: unknown, data: Uint8Array = new Uint8Array(), claimed?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + text.length + data.length)
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true)
  bytes.set(text, 8)
  bytes.set(data, 8 + text.length)
  return bytes
}

export async function writeFiles(
  directory: string,
  files: Record<string, string | Uint8Array | object>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const raw = typeof content === 'string' || content instanceof Uint8Array
    await writeFile(join(directory, name), raw ? content : JSON.stringify(content))
  }
}

/** Files below `directory` that this process holds open; undefined where the system does not tell. */
export function openFilesIn(directory: string): string[] | undefined {
  if (!existsSync('/proc/self/fd')) return undefined
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`)
      return path.startsWith(directory) ? [path] : []
    } catch {
      return []
    }
  })
}

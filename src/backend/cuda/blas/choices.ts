import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { writeAtomically } from '../../../weights/atomic-write.js'
import { cacheFolder } from '../cache-folder.js'
import type { ProductShape } from './product.js'

const FILE = z.record(z.string(), z.string().regex(/^[0-9a-f]{128}$/))

/**
 * Which algorithm was the fastest for a shape, kept on disk for one device and library version. An algorithm is only taken from the
 * file if cuBLASLt itself offers those very bytes, so that a file made elsewhere or tampered with can do no harm.
 */
export class Choices {
  private readonly known: Map<string, string>
  private saving: Promise<void> = Promise.resolve()

  constructor(private readonly path: string) {
    this.known = new Map(Object.entries(read(path)))
  }

  find(shape: ProductShape, offered: readonly Uint8Array[]): Uint8Array | undefined {
    const wanted = this.known.get(keyOf(shape))
    return wanted === undefined ? undefined : offered.find((algorithm) => toHex(algorithm) === wanted)
  }

  keep(shape: ProductShape, algorithm: Uint8Array): void {
    this.known.set(keyOf(shape), toHex(algorithm))
    // A file that cannot be written costs time at the next start, nothing else.
    this.saving = this.saving.then(() => this.save()).catch(() => {})
  }

  private async save(): Promise<void> {
    mkdirSync(dirname(this.path), { recursive: true })
    const text = `${JSON.stringify(Object.fromEntries(this.known), null, 1)}\n`
    await writeAtomically(this.path, async (handle) => void (await handle.writeFile(text)))
  }
}

export function choicesPath(device: string, version: number, env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheFolder(env), 'products', `${device.replaceAll(/[^A-Za-z0-9]+/g, '-')}-${version}.json`)
}

function keyOf({ rows, outputs, inputs, type, outType, beta }: ProductShape): string {
  return `${rows}x${outputs}x${inputs}:${type}:${outType}:${beta}`
}

function read(path: string): Record<string, string> {
  try {
    return FILE.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return {}
  }
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

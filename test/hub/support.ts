import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type PullOptions, pull } from '../../src/hub/index.js'
import { safetensorsBytes, temporaryDirectory } from '../weights/support.js'
import { type FakeHub, MODEL } from './fake-hub.js'

/** A sound safetensors file of one byte tensor named `w`. */
export function weights(size = 200_000, seed = 1): Buffer {
  const header = { w: { dtype: 'U8', shape: [size], data_offsets: [0, size] } }
  return Buffer.from(
    safetensorsBytes(
      header,
      Uint8Array.from({ length: size }, (_, i) => (i * seed + (i >> 8)) & 255),
    ),
  )
}

export const tinyModel = () => ({
  'config.json': { model_type: 'gpt2' },
  'tokenizer.json': { version: '1.0' },
  'model.safetensors': weights(),
})

/** Pulls from a fake hub into a cache of its own, untouched by the environment. */
export async function pulling(t: TestContext, hub: FakeHub) {
  const cacheDir = await temporaryDirectory(t)
  const defaults: PullOptions = {
    cacheDir,
    endpoint: hub.origin,
    token: false,
    offline: false,
    patience: { attempts: 3, delayMs: 1, idleMs: 5000 },
  }
  return {
    cacheDir,
    defaults,
    repository: join(cacheDir, `models--${MODEL.replace('/', '--')}`),
    pull: (options: PullOptions = {}) => pull(MODEL, { ...defaults, ...options }),
  }
}

/** Every file below a directory, relative to it. */
export async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(directory.length + 1))
    .sort()
}

import { createHash, randomUUID } from 'node:crypto'
import type { LLM } from '../../index.js'

/** `chatcmpl-...`: every answer's own. */
export function answerId(prefix: string): string {
  return `${prefix}-${randomUUID().replaceAll('-', '')}`
}

export function unixSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** OpenAI's `system_fingerprint`: the same for answers that the same seed reproduces. */
export function fingerprint({ info }: LLM, version: string): string {
  const { name, dtype, device, family } = info
  const hash = createHash('sha256').update(JSON.stringify([version, name, family, dtype, device]))
  return `fp_${hash.digest('hex').slice(0, 10)}`
}

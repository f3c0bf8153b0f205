import { createHash, timingSafeEqual } from 'node:crypto'
import { ApiError } from './api-error.js'

/** Who asks, as far as the server knows: a short hash of the key, fit for logs, or `anonymous`. */
export type KeyId = string

export const ANONYMOUS: KeyId = 'anonymous'

interface Known {
  readonly digest: Buffer
  readonly id: KeyId
}

/** The keys that are let in. Keys are kept and compared as hashes, all of them each time, so that no timing tells of one. */
export class KeyRing {
  private readonly known: readonly Known[]

  constructor(keys: readonly string[]) {
    this.known = keys.map((key) => {
      const digest = sha256(key)
      return { digest, id: `key-${digest.toString('hex').slice(0, 8)}` }
    })
  }

  get open(): boolean {
    return this.known.length === 0
  }

  /** Whose `Authorization` header this is. Throws 401. */
  check(authorization: string | undefined): KeyId {
    if (this.open) return ANONYMOUS
    const key = /^Bearer +(\S+)\s*$/i.exec(authorization ?? '')?.[1]
    if (key === undefined) {
      throw refusal('missing_api_key', 'send an API key: Authorization: Bearer KEY')
    }
    const digest = sha256(key)
    let found: Known | undefined
    for (const each of this.known) if (timingSafeEqual(each.digest, digest)) found = each
    if (!found) throw refusal('invalid_api_key', 'this API key is not known here')
    return found.id
  }
}

function refusal(code: string, message: string): ApiError {
  return new ApiError(401, code, message, {
    type: 'invalid_request_error',
    headers: { 'WWW-Authenticate': 'Bearer' },
  })
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

import type { Context } from 'hono'
import type { z } from 'zod'
import { ApiError } from './api-error.js'
import { checkShape } from './check-shape.js'

export interface BodyLimits {
  readonly maxBodyBytes: number
  readonly depth: number
}

/**
 * The body of a request, read up to a limit, as JSON of bounded depth, checked against its schema. Only
 * `application/json` is taken: a web page cannot send that to another server without asking first (CORS).
 */
export async function readBody<S extends z.ZodType>(c: Context, schema: S, limits: BodyLimits): Promise<z.output<S>> {
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(type)) {
    throw new ApiError(415, 'unsupported_media_type', 'send the request as JSON, with Content-Type: application/json')
  }
  const value = parse(await readText(c.req.raw, limits.maxBodyBytes))
  checkDepth(value, limits.depth)
  return checkShape(schema, value)
}

async function readText(request: Request, most: number): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > most) throw tooLarge(most)
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
      length += chunk.length
      if (length > most) throw tooLarge(most)
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw new ApiError(400, 'body_incomplete', 'the request ended before its body did', { cause: error })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (error) {
    throw new ApiError(400, 'invalid_json', 'the body is not valid UTF-8', { cause: error })
  }
}

function tooLarge(most: number): ApiError {
  return new ApiError(413, 'body_too_large', `the body has over ${most} bytes; send less`, {
    headers: { Connection: 'close' },
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = (error as Error).message.slice(0, 200)
    throw new ApiError(400, 'invalid_json', `the body is not valid JSON: ${reason}`, { cause: error })
  }
}

/** Without recursion: depth is what this guards against. `__proto__` as a name is nothing that an honest client sends. */
function checkDepth(root: unknown, most: number): void {
  let level: unknown[] = [root]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) throw new ApiError(400, 'invalid_json', `the body is nested over ${most} levels deep`)
    const next: unknown[] = []
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue
      if (Object.hasOwn(value, '__proto__')) throw new ApiError(400, 'invalid_json', 'a field is called __proto__')
      for (const each of Array.isArray(value) ? value : Object.values(value)) {
        if (typeof each === 'object' && each !== null) next.push(each)
      }
    }
    level = next
  }
}

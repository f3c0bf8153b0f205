import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { ErrorCode } from '../../error-codes.js'
import { isWarplineError, type WarplineError } from '../../errors.js'
import { fieldOf, inFields } from './field-names.js'

type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'rate_limit_error'
  | 'timeout_error'
  | 'server_error'

interface Details {
  readonly type?: ErrorType
  /** The field at fault. */
  readonly param?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** What a caller is told, in the shape that OpenAI's clients know: `{ error: { message, type, param, code } }`. */
export class ApiError extends Error {
  readonly type: ErrorType
  readonly param: string | null
  readonly headers: Readonly<Record<string, string>>

  constructor(
    readonly status: ContentfulStatusCode,
    readonly code: string,
    message: string,
    { type = typeOf(status), param, headers = {}, cause }: Details = {},
  ) {
    super(message, { cause })
    this.type = type
    this.param = param ?? null
    this.headers = headers
  }

  body(): object {
    const { message, type, param, code } = this
    return { error: { message, type, param, code } }
  }
}

function typeOf(status: number): ErrorType {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  if (status === 408 || status === 504) return 'timeout_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

export const invalid = (param: string, message: string, code = 'invalid_value') =>
  new ApiError(400, code, message, { param: param || undefined })

/** A field that is known and not offered: refused, never ignored. */
export const unsupported = (param: string, message: string) => new ApiError(400, 'unsupported', message, { param })

/** What the caller can mend, and OpenAI's code for it where there is one. */
const CALLERS: Partial<Record<ErrorCode, string>> = {
  'option-unknown': 'unsupported',
  'option-unsupported': 'unsupported',
  'option-invalid': 'invalid_value',
  'parameter-invalid': 'invalid_value',
  'too-many-choices': 'too_many_choices',
  'prompt-empty': 'prompt_empty',
  'prompt-invalid': 'invalid_value',
  'token-out-of-range': 'invalid_value',
  'token-id-invalid': 'invalid_value',
  'context-too-long': 'context_length_exceeded',
  'cache-too-small': 'context_length_exceeded',
  'stop-string-empty': 'invalid_value',
  'text-too-long': 'context_length_exceeded',
  'chat-invalid': 'invalid_value',
  'chat-template-missing': 'chat_template_missing',
  'chat-template-failed': 'chat_template_failed',
  'tokenizer-missing': 'tokenizer_missing',
  'nothing-allowed': 'nothing_allowed',
}

/** Closed, crashed or starting again: another attempt may succeed. */
const UNAVAILABLE: ReadonlySet<ErrorCode> = new Set(['engine-closed', 'model-closed', 'engine-restarting'])

/** Anything thrown, as the caller is told of it. What he can do nothing about is not described to him. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (isWarplineError(error)) return fromWarpline(error)
  return new ApiError(500, 'internal_error', 'the server failed; its log says why, under this request id', {
    cause: error,
  })
}

function fromWarpline(error: WarplineError): ApiError {
  const code = CALLERS[error.code]
  const message = inFields(error.message)
  if (code) return new ApiError(400, code, message, { param: fieldOf(error.message), cause: error })
  if (UNAVAILABLE.has(error.code)) {
    return new ApiError(503, 'unavailable', message, { headers: { 'Retry-After': '2' }, cause: error })
  }
  return new ApiError(500, error.code.replaceAll('-', '_'), message, { cause: error })
}

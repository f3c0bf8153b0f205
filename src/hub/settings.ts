import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { WarplineError } from '../errors.js'
import { isMissing, readError } from '../weights/file-error.js'

/** What decides where models come from and go to; each falls back on the environment as huggingface_hub reads it. */
export interface HubOptions {
  /** Default: HF_ENDPOINT, then https://huggingface.co. */
  readonly endpoint?: string
  /** Default: HF_HUB_CACHE, then `hub` in HF_HOME, then `huggingface/hub` in XDG_CACHE_HOME or `~/.cache`. */
  readonly cacheDir?: string
  /** Default: HF_TOKEN, then the file HF_TOKEN_PATH, then `token` in HF_HOME. False: none. */
  readonly token?: string | false
  /** Never use the network. Default: HF_HUB_OFFLINE. */
  readonly offline?: boolean
}

export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string
  readonly cacheDir: string
  readonly token: string | undefined
  readonly offline: boolean
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Throws `hub-endpoint-invalid`, `hub-token-invalid` or `file-unreadable`. */
export async function hubSettings(options: HubOptions, env: Environment = process.env): Promise<HubSettings> {
  const offline = options.offline ?? (isTrue(env.HF_HUB_OFFLINE) || isTrue(env.TRANSFORMERS_OFFLINE))
  return {
    endpoint: checkEndpoint(options.endpoint ?? (env.HF_ENDPOINT || 'https://huggingface.co')),
    cacheDir: options.cacheDir ?? cacheDirectory(env),
    token: offline ? undefined : await findToken(options.token, env),
    offline,
  }
}

/** Where downloaded models are kept, as the environment says. */
export function cacheDirectory(env: Environment = process.env): string {
  const named = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE
  return named ? expandHome(named) : join(huggingFaceHome(env), 'hub')
}

function huggingFaceHome(env: Environment): string {
  return expandHome(env.HF_HOME || join(env.XDG_CACHE_HOME || join('~', '.cache'), 'huggingface'))
}

/** `~` at the start of a path, which only a shell expands by itself. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

function checkEndpoint(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  const plain = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash
  if (plain) return endpoint.replace(/\/+$/, '')
  throw new WarplineError('hub-endpoint-invalid', 'the hub endpoint must be an http or https address; see HF_ENDPOINT')
}

async function findToken(asked: string | false | undefined, env: Environment): Promise<string | undefined> {
  if (asked === false) return undefined
  if (asked !== undefined) return checkToken(asked)
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined
  const token = env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || (await readTokenFile(env))
  return token && checkToken(token)
}

async function readTokenFile(env: Environment): Promise<string | undefined> {
  const path = env.HF_TOKEN_PATH ? expandHome(env.HF_TOKEN_PATH) : join(huggingFaceHome(env), 'token')
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw readError(path, error)
  }
}

/** A token goes into a header line; the message never repeats it. */
function checkToken(token: string): string | undefined {
  const trimmed = token.trim()
  if (/^[\x21-\x7e]*$/.test(trimmed)) return trimmed || undefined
  throw new WarplineError('hub-token-invalid', 'the hub token holds characters that no token has; copy it again')
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && /^(?:1|on|yes|true)$/i.test(value)
}

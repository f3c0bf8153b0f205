import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { WarplineError } from '../errors.js'
import { readError } from './file-error.js'
import { isFile, readUtf8 } from './json-file.js'
import { corrupt } from './safetensors-header.js'
import { JsonReader, quoted } from './strict-json.js'

export const SINGLE_FILE = 'model.safetensors'
export const INDEX_FILE = 'model.safetensors.index.json'

/** How the weights of a directory are stored. */
export type WeightLayout =
  | { readonly kind: 'single'; readonly file: string }
  | { readonly kind: 'sharded'; readonly index: string }

/** The weight files of a directory, all of them present. */
export interface WeightFiles {
  readonly files: readonly string[]
  /** Of a sharded checkpoint: which of `files` holds each tensor, and the index that says so. */
  readonly shards?: { readonly index: string; readonly shardOf: ReadonlyMap<string, string> }
}

const PICKLED = /^(?:.*\.(?:pt|pth|ckpt|pkl)|(?:pytorch_model|consolidated|model).*\.bin)$/
const SHARD = /-\d+-of-\d+\.safetensors$/

/**
 * Picks the weight files among the names in a directory or a repository, as transformers does: `model.safetensors`, else
 * the index with its shards, else the only safetensors file. `where` stands in messages. Throws `checkpoint-pickled`,
 * `checkpoint-incomplete` or `checkpoint-ambiguous`.
 */
export function chooseWeights(names: readonly string[], where: string): WeightLayout {
  const visible = names.filter((name) => !name.startsWith('.')).sort()
  if (visible.includes(SINGLE_FILE)) return { kind: 'single', file: SINGLE_FILE }
  if (visible.includes(INDEX_FILE)) return { kind: 'sharded', index: INDEX_FILE }
  const candidates = visible.filter((name) => name.endsWith('.safetensors'))
  if (candidates.length === 1 && !SHARD.test(candidates[0]!)) return { kind: 'single', file: candidates[0]! }
  if (candidates.some((name) => SHARD.test(name))) {
    throw new WarplineError('checkpoint-incomplete', `${where} holds shards and lacks their ${INDEX_FILE}; add it`)
  }
  if (candidates.length > 1) {
    const problem = `${where} holds several models (${candidates.slice(0, 5).join(', ')})`
    throw new WarplineError('checkpoint-ambiguous', `${problem}; name the one to load ${SINGLE_FILE}`)
  }
  const pickled = visible.find((name) => PICKLED.test(name))
  if (pickled !== undefined) throw pickledError(where, pickled)
  throw new WarplineError('checkpoint-incomplete', `${where} has no weights: ${SINGLE_FILE} is missing`)
}

/**
 * Finds the weight files of a directory. Throws the errors of `chooseWeights`, `checkpoint-corrupt` for a damaged index,
 * `checkpoint-incomplete` naming the shards that are missing, and `file-missing` or `file-unreadable`.
 */
export async function findWeights(directory: string): Promise<WeightFiles> {
  const names = await readdir(directory).catch((error) => {
    throw readError(directory, error)
  })
  const layout = chooseWeights(names, directory)
  const listed = layout.kind === 'single' ? { files: [layout.file] } : await readShardIndex(directory, layout.index)
  await requireFiles(directory, listed.files)
  return listed
}

async function readShardIndex(directory: string, index: string): Promise<WeightFiles> {
  const path = join(directory, index)
  const shardOf = parseShardIndex(await readUtf8(path, 'checkpoint-corrupt'), path)
  return { files: [...new Set(shardOf.values())].sort(), shards: { index, shardOf } }
}

async function requireFiles(directory: string, files: readonly string[]): Promise<void> {
  const present = await Promise.all(files.map((file) => isFile(join(directory, file))))
  const missing = files.filter((_, i) => !present[i])
  if (missing.length === 0) return
  const rest = missing.length > 5 ? ` and ${missing.length - 5} more` : ''
  const problem = `${directory} lacks ${missing.length} of ${files.length} weight files: ${missing.slice(0, 5).join(', ')}${rest}`
  throw new WarplineError('checkpoint-incomplete', `${problem}; finish the download`)
}

function pickledError(where: string, file: string): WarplineError {
  const convert =
    'python -c "from transformers import AutoModelForCausalLM as A; ' +
    `A.from_pretrained('IN').save_pretrained('OUT')"`
  return new WarplineError(
    'checkpoint-pickled',
    `${where} holds only pickled weights (${quoted(file)}), which run any code inside them when they are loaded; ` +
      `where you trust them, convert them once: ${convert}; or use https://huggingface.co/spaces/safetensors/convert`,
  )
}

/**
 * Reads the text of a safetensors index: which shard holds which tensor. Shard names stay inside the directory. Throws
 * `checkpoint-corrupt`.
 */
export function parseShardIndex(text: string, path: string): ReadonlyMap<string, string> {
  const fail = (problem: string) => corrupt(path, problem)
  const reader = new JsonReader(text, fail)
  let shardOf: Map<string, string> | undefined
  reader.object((key) => {
    if (key !== 'weight_map') return reader.skip()
    const map = new Map<string, string>()
    reader.object((tensor) => map.set(tensor, checkShardName(reader.string(), fail)))
    shardOf = map
  })
  reader.end()
  if (!shardOf) throw fail('it has no weight_map')
  if (shardOf.size === 0) throw fail('its weight_map is empty')
  return shardOf
}

function checkShardName(name: string, fail: (problem: string) => WarplineError): string {
  if (!isInnerPath(name)) throw fail(`the shard name ${quoted(name)} leads out of the directory`)
  if (!name.endsWith('.safetensors')) throw fail(`the shard ${quoted(name)} is no safetensors file`)
  return name
}

/** Whether a relative path stays below its directory on every platform; such names come from files and servers. */
export function isInnerPath(path: string): boolean {
  if (path.length > 1000 || /[\\:\p{Cc}]/u.test(path)) return false
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}

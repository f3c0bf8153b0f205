import { WarplineError } from '../errors.js'
import { chooseWeights, type WeightLayout } from '../weights/checkpoint-files.js'
import { quoted } from '../weights/strict-json.js'
import { checkFile, pathOf, type RemoteFile } from './listing.js'

const SMALL_FILES =
  /^(?:(?:config|generation_config|special_tokens_map|added_tokens|vocab)\.json|merges\.txt|tokenizer[\w.-]*\.json|chat_template[\w.-]*\.(?:json|jinja))$/

/** The files that running a model takes, out of everything a repository holds. */
export interface Selection {
  /** Configuration and tokenizer. */
  readonly small: readonly RemoteFile[]
  readonly weights: WeightLayout
  /** Any listed file by its path. */
  find(path: string): RemoteFile
}

/**
 * Throws `config-missing` for what is no model, the errors of `chooseWeights` before anything large is fetched, and
 * `hub-unsafe-path` or `hub-bad-answer`.
 */
export function selectFiles(entries: readonly unknown[], name: string): Selection {
  const byPath = new Map<string, unknown>()
  for (const entry of entries) {
    const path = pathOf(entry)
    if (path !== undefined) byPath.set(path, entry)
  }
  if (!byPath.has('config.json')) {
    throw new WarplineError('config-missing', `${name} has no config.json, so it is no transformers model`)
  }
  const find = (path: string): RemoteFile => {
    const entry = byPath.get(path)
    if (entry !== undefined) return checkFile(entry)
    throw new WarplineError('checkpoint-incomplete', `${name} lacks the file ${quoted(path)} that its index names`)
  }
  const names = [...byPath.keys()]
  return {
    small: names.filter((path) => SMALL_FILES.test(path)).map(find),
    weights: chooseWeights(
      names.filter((path) => !path.includes('/')),
      name,
    ),
    find,
  }
}

import { WarplineError } from '../errors.js'
import { isInnerPath } from '../weights/checkpoint-files.js'
import { quoted } from '../weights/strict-json.js'

const REPOSITORY = /^(?:[A-Za-z0-9_.-]+\/)?[A-Za-z0-9_.-]+$/
const REVISION = /^[A-Za-z0-9_][\w.+@/-]{0,249}$/
const COMMIT = /^[0-9a-f]{40}$/

/** Whether the hub allows this as the name of a model: `name` or `owner/name`, by the rules of huggingface_hub. */
export function isRepositoryName(name: string): boolean {
  if (name.length > 96 || !REPOSITORY.test(name)) return false
  if (name.includes('--') || name.includes('..') || name.endsWith('.git')) return false
  return name.split('/').every((part) => !/^[.-]|[.-]$/.test(part))
}

/** Throws `hub-name-invalid`. */
export function checkRepositoryName(name: string): void {
  if (isRepositoryName(name)) return
  throw new WarplineError(
    'hub-name-invalid',
    `${quoted(name)} is no model name; write owner/name, as on huggingface.co`,
  )
}

/** A branch, a tag or a commit, fit to be a file name in the cache. Throws `hub-revision-invalid`. */
export function checkRevision(revision: string): void {
  if (REVISION.test(revision) && isInnerPath(revision)) return
  throw new WarplineError(
    'hub-revision-invalid',
    `${quoted(revision)} is no revision; name a branch, a tag or a commit`,
  )
}

export function isCommit(revision: string): boolean {
  return COMMIT.test(revision)
}

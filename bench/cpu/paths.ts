import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

export const ROOT = resolve(here, '..', '..')
export const RIVALS = join(here, 'rivals')
export const CONTENDERS = join(here, 'contenders')
/** Models and programs that the benchmark makes once; ignored by git and free to delete. */
export const CACHE = join(ROOT, '.cache', 'bench')

/**
 * The tests that need a GPU: `npm run test:gpu`, or `npm run test:gpu -- operations golden` for the files whose names contain one of these
 * words. Flags go to Node's test runner. Runs as TypeScript in a checkout and compiled in a bundle.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const isSource = import.meta.url.endsWith('.ts')
const flags = process.argv.slice(2).filter((word) => word.startsWith('-'))
const words = process.argv.slice(2).filter((word) => !word.startsWith('-'))
const files = readdirSync(folder)
  .filter((file) => /\.test\.[jt]s$/.test(file) && (words.length === 0 || words.some((word) => file.includes(word))))
  .sort()
  .map((file) => join(folder, file))
const runner = [...(isSource ? ['--import', 'tsx'] : []), '--test', '--test-reporter=spec', ...flags]
// One GPU: one file after another, so that memory and timings are not shared.
const result = spawnSync(process.execPath, [...runner, '--test-concurrency=1', ...files], { stdio: 'inherit' })
process.exit(result.status ?? 1)

// Runs the test suite with Node's own runner: `npm test`, or `npm test -- engine text/stop` for the files whose path
// contains one of these words. Flags (`--test-name-pattern=...`) go to the runner.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const flags = process.argv.slice(2).filter((word) => word.startsWith('-'))
const words = process.argv.slice(2).filter((word) => !word.startsWith('-'))
const files = readdirSync(join(root, 'test'), { recursive: true })
  .map((file) => join('test', file))
  .filter((file) => file.endsWith('.test.ts') && (words.length === 0 || words.some((word) => file.includes(word))))
  .sort()

if (files.length === 0) {
  process.stderr.write(`no-tests: no test file's path contains ${words.join(' or ')}\n`)
  process.exit(1)
}
const runner = ['--import', 'tsx', '--enable-source-maps', '--test', '--test-reporter=spec', ...flags]
const result = spawnSync(process.execPath, [...runner, ...files], { cwd: root, stdio: 'inherit' })
process.exit(result.status ?? 1)

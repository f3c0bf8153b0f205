import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')
const NO_COMPILER = 3

test('the native core and its products pass their own tests', (t) => {
  const build = spawnSync(process.execPath, ['tools/build-cpu.mjs', '--test'], { cwd: ROOT, encoding: 'utf8' })
  if (build.status === NO_COMPILER) return t.skip('there is no C++ compiler here')
  assert.equal(build.status, 0, build.stderr)
  const program = join(ROOT, `native/cpu/build/${process.platform}-${process.arch}/kernel-tests`)
  const { status, stdout, stderr } = spawnSync(program, { encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
  assert.match(stdout + stderr, /[1-9]\d* cases, 0 failed/)
})

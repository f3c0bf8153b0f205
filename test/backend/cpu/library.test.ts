import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cpuBackend } from '../../../src/backend/cpu/backend.js'
import {
  builtLibrary,
  findLibrary,
  libraryFile,
  missingLibrary,
  platformPackage,
} from '../../../src/backend/cpu/library-path.js'
import type { Availability } from '../../../src/backend/executor.js'
import { levels, library, skip } from './support/levels.js'

const folder = mkdtempSync(join(tmpdir(), 'warpline-library-'))
after(() => rmSync(folder, { recursive: true }))

/** What the backend says of itself in a process with this environment. */
function availabilityWith(environment: NodeJS.ProcessEnv, before = ''): Availability {
  const backend = fileURLToPath(new URL('../../../src/backend/cpu/backend.ts', import.meta.url))
  const script = `${before}
    const { cpuBackend } = await import(${JSON.stringify(backend)})
    console.log(JSON.stringify(await cpuBackend.availability()))`
  const out = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    env: { ...process.env, ...environment },
    encoding: 'utf8',
  })
  return JSON.parse(out)
}

describe('the library is looked for', () => {
  test('first where the environment says', () => {
    assert.equal(findLibrary({ WARPLINE_CPU_LIBRARY: '/elsewhere/library.so' }), '/elsewhere/library.so')
  })

  test('then in the platform’s package, then in this checkout', { skip }, () => {
    assert.equal(findLibrary({}), library!.path)
  })

  test('under names that say for which platform it is', () => {
    assert.equal(platformPackage({ platform: 'linux', arch: 'arm64' }), '@warpline/cpu-linux-arm64')
    assert.equal(libraryFile({ platform: 'win32', arch: 'x64' }), 'warpline-cpu.dll')
    assert.equal(libraryFile({ platform: 'darwin', arch: 'arm64' }), 'libwarpline-cpu.dylib')
    assert.match(builtLibrary({ platform: 'linux', arch: 'x64' }), /native.cpu.build.linux-x64.libwarpline-cpu\.so$/)
  })
})

describe('the backend says of itself', () => {
  test('which kernels it has, how many threads and where from', { skip }, async () => {
    const { usable, detail } = await cpuBackend.availability()
    assert.equal(usable, true)
    assert.ok(detail.includes(`${library!.level()} kernels`) && detail.includes(library!.path), detail)
    assert.match(detail, /\d+ threads?,/)
  })

  test('which level it was told to use', { skip }, () => {
    const { usable, detail } = availabilityWith({ WARPLINE_CPU: 'portable' })
    assert.ok(usable && detail.startsWith('portable kernels'), detail)
  })

  test('that a level is no level, and what to do', { skip }, () => {
    const { usable, detail } = availabilityWith({ WARPLINE_CPU: 'sse9' })
    assert.equal(usable, false)
    assert.match(detail, /WARPLINE_CPU is sse9: .*unset it/)
  })

  test('that nothing was installed and nothing built, and what to do', () => {
    const { usable, detail } = availabilityWith({}, `Object.defineProperty(process, 'arch', { value: 'vax' })`)
    assert.equal(usable, false)
    assert.match(
      detail,
      /no native library for \w+-vax, for which there is no package: install g\+\+ or clang\+\+ and run/,
    )
    const known = missingLibrary({ platform: 'darwin', arch: 'arm64' })
    assert.match(known, /no native library for darwin-arm64: the package @warpline\/cpu-darwin-arm64 is not installed/)
    assert.match(known, /npm install --include=optional, or install g\+\+ or clang\+\+ and run node \S+build-cpu\.mjs$/)
  })

  test('that a library is not there or is none, and what to do', () => {
    const absent = availabilityWith({ WARPLINE_CPU_LIBRARY: join(folder, 'absent.so') })
    assert.equal(absent.usable, false)
    assert.match(absent.detail, /absent\.so cannot be loaded .*unset WARPLINE_CPU_LIBRARY/)
    const file = join(folder, 'text.so')
    writeFileSync(file, 'no library')
    assert.match(availabilityWith({ WARPLINE_CPU_LIBRARY: file }).detail, /text\.so cannot be loaded/)
  })
})

test('the best level is in use unless another is forced', { skip }, () => {
  const native = library!
  const best = native.level()
  assert.ok(levels.includes(best))
  native.setLevel('portable')
  assert.equal(native.level(), 'portable')
  assert.throws(() => native.setLevel('sse9'), { code: 'executor-failed' })
  native.setLevel(undefined)
  assert.equal(native.level(), best)
})

test('where there is a compiler there is a library: its absence would skip most of these tests', () => {
  const compiles = ['c++', 'g++', 'clang++'].some((name) => spawnSync(name, ['--version']).status === 0)
  if (compiles) assert.ok(library, 'run node tools/build-cpu.mjs')
})

test('levels that are none are not supported', { skip }, () => assert.equal(library!.isSupported('sse9'), false))

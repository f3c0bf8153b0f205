import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { mainManifest, optionalManifest } from '../../tools/package/manifests.js'
import { OPTIONAL_PACKAGES } from '../../tools/package/optional-packages.js'
import { PROJECT } from '../support/cli.js'
import { packDependencies, type Registry, serveRegistry } from './registry.js'

const HERE = `@warpline/cpu-${process.platform}-${process.arch}`
const INSTALL_LIMIT = 60e6
const PROMPT = 'Once upon a time'

const compiles = ['c++', 'g++', 'clang++'].some((name) => spawnSync(name, ['--version']).status === 0)
const skip = compiles && process.platform !== 'win32' ? false : 'no compiler to build the packages with'

const scratch = mkdtempSync(join(tmpdir(), 'warpline-install-'))
const app = join(scratch, 'app')
const modules = join(app, 'node_modules')
after(() => rmSync(scratch, { recursive: true, force: true }))

interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs where nothing is to be found but Node. */
async function run(file: string, args: readonly string[]): Promise<Ended> {
  const { WARPLINE_CPU: _, WARPLINE_CPU_LIBRARY: __, ...environment } = process.env
  const env = { ...environment, PATH: join(scratch, 'bin') }
  try {
    return { status: 0, ...(await promisify(execFile)(file, args, { cwd: app, env })) }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { status: code, stdout, stderr }
  }
}

const warpline = (...args: string[]) => run(join(modules, '.bin', 'warpline'), args)
const greedy = (...args: string[]) =>
  warpline('generate', '--prompt', PROMPT, '--max-tokens', '8', '--temperature', '0', '--json', ...args)

async function doctor(): Promise<{ name: string; usable: boolean; chosen: boolean; detail: string }[]> {
  const { status, stdout, stderr } = await warpline('doctor', '--json')
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout).devices
}

describe('installed from a registry into an empty folder', { skip }, () => {
  let registry: Registry

  before(async () => {
    const packages = join(scratch, 'packages')
    mkdirSync(packages)
    mkdirSync(app)
    mkdirSync(join(scratch, 'bin'))
    symlinkSync(process.execPath, join(scratch, 'bin', 'node'))
    const [packed, dependencies] = await Promise.all([
      promisify(execFile)(process.execPath, ['--import', 'tsx', 'tools/package/main.ts', '--out', packages], {
        cwd: PROJECT,
      }),
      packDependencies(packages),
    ])
    const tarballs: { name: string; path: string }[] = JSON.parse(packed.stdout).tarballs
    assert.deepEqual(
      tarballs.map(({ name }) => name),
      [HERE, 'warpline'],
    )
    const checkout = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'))
    const all = [
      mainManifest(checkout, OPTIONAL_PACKAGES),
      ...OPTIONAL_PACKAGES.map((o) => optionalManifest(o, checkout)),
    ]
    const ours = all.map((manifest) => ({
      manifest: manifest as typeof manifest & { name: string },
      tarball: tarballs.find(({ name }) => name === manifest.name)?.path,
    }))
    registry = await serveRegistry([...ours, ...dependencies])
    writeFileSync(join(app, 'package.json'), '{}')
    const flags = ['--registry', registry.url, '--cache', join(scratch, 'cache'), '--ignore-scripts', '--no-audit']
    await promisify(execFile)('npm', ['install', 'warpline', ...flags], { cwd: app })
  })
  after(() => registry.close())

  test('npm brings the library of this platform and of no other', () => {
    assert.deepEqual(readdirSync(join(modules, '@warpline')), [HERE.split('/')[1]])
    assert.deepEqual(
      [...registry.downloads].filter((name) => name.startsWith('@warpline/')),
      [HERE],
    )
  })

  test(`all of it takes less than ${INSTALL_LIMIT / 1e6} MB`, () => {
    const files = readdirSync(modules, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).blocks * 512, 0)
    assert.ok(bytes < INSTALL_LIMIT, `${bytes} bytes`)
  })

  test('the command generates with native kernels, without a compiler', async () => {
    const [cpu] = (await doctor()).filter(({ name }) => name === 'cpu')
    assert.ok(cpu!.usable && cpu!.detail.includes(join('node_modules', HERE)), cpu!.detail)
    const { status, stdout, stderr } = await greedy()
    assert.equal(status, 0, stderr)
    assert.equal(JSON.parse(stdout).choices[0].tokenIds.length, 8)
    assert.match(stderr, /, cpu bf16, /)
  })

  test('programs import it, and require it where Node allows', async () => {
    const body = `
      const llm = await LLM.load(BUNDLED_MODEL, { device: 'cpu' })
      const { text } = await llm.generate(${JSON.stringify(PROMPT)}, { maxTokens: 8, temperature: 0 })
      await llm.close()
      console.log(JSON.stringify({ text, device: llm.info.device }))`
    writeFileSync(join(app, 'import.mjs'), `import { BUNDLED_MODEL, LLM } from 'warpline'\n${body}`)
    const required = `const { BUNDLED_MODEL, LLM } = require('warpline')\n;(async () => {${body}})()`
    writeFileSync(join(app, 'require.cjs'), required)
    const requires = (process.features as { require_module?: boolean }).require_module
    const { choices } = JSON.parse((await greedy()).stdout)
    for (const file of ['import.mjs', ...(requires ? ['require.cjs'] : [])]) {
      const { status, stdout, stderr } = await run(process.execPath, [join(app, file)])
      assert.equal(status, 0, stderr)
      assert.deepEqual(JSON.parse(stdout), { text: choices[0].text, device: 'cpu' }, file)
    }
  })

  test('the sources and the script to compile them are there, for platforms without a package', () => {
    const sources = (root: string) =>
      readdirSync(join(root, 'native/cpu'), { recursive: true })
        .map(String)
        .filter((file) => /\.(cc|h|map)$/.test(file) && !/^(test|build)/.test(file))
        .sort()
    assert.deepEqual(sources(join(modules, 'warpline')), sources(PROJECT))
    assert.ok(statSync(join(modules, 'warpline/tools/build-cpu.mjs')).isFile())
  })

  test('without the library plain TypeScript runs, and doctor says why and what to do', async () => {
    rmSync(join(modules, '@warpline'), { recursive: true })
    const devices = new Map((await doctor()).map((device) => [device.name, device]))
    assert.equal(devices.get('cpu')!.usable, false)
    assert.equal(devices.get('reference')!.chosen, true)
    const { detail } = devices.get('cpu')!
    assert.ok(detail.includes(`the package ${HERE} is not installed`), detail)
    const script = /install g\+\+ or clang\+\+ and run node (\S+build-cpu\.mjs)/.exec(detail)
    assert.ok(statSync(script![1]!).isFile(), detail)
    assert.match(detail, /install again with npm install --include=optional/)

    const { status, stderr } = await greedy()
    assert.equal(status, 0, stderr)
    assert.match(stderr, /warpline doctor/)
    assert.match(stderr, /, reference bf16, /)
    const refused = await greedy('--device', 'cpu')
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /^device-unavailable: .*is not installed/)
  })
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { newestGlibc } from '../../tools/package/libc-version.js'
import { mainManifest, optionalManifest } from '../../tools/package/manifests.js'
import { OPTIONAL_PACKAGES, type OptionalPackage } from '../../tools/package/optional-packages.js'
import { PROJECT } from '../support/cli.js'

const checkout = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'))
const kernels: OptionalPackage = {
  name: '@warpline/gpu-linux-x64',
  description: 'kernels for another device',
  platform: 'linux',
  arch: 'x64',
  files: { 'all.bin': 'native/gpu/build/all.bin' },
  build: ['tools/build-gpu.mjs'],
  mostBytes: 150e6,
  install: 'asked',
}

test('the published manifest names every platform’s package at its own version; the checkout’s names none', () => {
  const published = mainManifest(checkout, OPTIONAL_PACKAGES)
  const names = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64', 'win32-x64'].map(
    (name) => `@warpline/cpu-${name}`,
  )
  assert.deepEqual(published.optionalDependencies, Object.fromEntries(names.map((name) => [name, checkout.version])))
  assert.equal(checkout.optionalDependencies, undefined)
  assert.deepEqual(published.dependencies, checkout.dependencies)
  assert.deepEqual(published.peerDependencies, checkout.peerDependencies)
  assert.ok(!('scripts' in published) && !('devDependencies' in published))
})

test('what is large is only installed by name, and then at the same version', () => {
  const published = mainManifest(checkout, [...OPTIONAL_PACKAGES, kernels])
  const { peerDependencies, peerDependenciesMeta } = checkout
  assert.deepEqual(published.peerDependencies, { ...peerDependencies, [kernels.name]: checkout.version })
  assert.deepEqual(published.peerDependenciesMeta, { ...peerDependenciesMeta, [kernels.name]: { optional: true } })
  assert.ok(!(kernels.name in (published.optionalDependencies as object)))
})

test('a platform’s package tells npm where it fits', () => {
  const [arm] = OPTIONAL_PACKAGES.filter(({ name }) => name.endsWith('linux-arm64'))
  const { os, cpu, libc, files, version } = optionalManifest(arm!, checkout)
  assert.deepEqual(
    { os, cpu, libc, files, version },
    {
      os: ['linux'],
      cpu: ['arm64'],
      libc: ['glibc'],
      files: ['libwarpline-cpu.so'],
      version: checkout.version,
    },
  )
})

test('the newest C library that a file needs is found, by number and not by letter', () => {
  const strings = Buffer.from('\0libc.so.6\0GLIBC_2.2.5\0GLIBC_2.17\0GLIBC_2.9\0GLIBC_PRIVATE\0GLIBCXX_3.4.30\0')
  assert.deepEqual(newestGlibc(strings), [2, 17])
  assert.equal(newestGlibc(Buffer.from('\0libc.so.6\0')), undefined)
})

test('a platform for which there is no package is refused', () => {
  const words = ['--import', 'tsx', 'tools/package/main.ts', '--target', 'plan9-vax']
  const { status, stderr } = spawnSync(process.execPath, words, { cwd: PROJECT, encoding: 'utf8' })
  assert.equal(status, 1)
  assert.match(stderr, /^target-unknown: no package is for plan9-vax; choose from linux-x64, /)
})

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ERROR_CODES } from '../../src/error-codes.js'
import { supportedModelTypes } from '../../src/model/registry.js'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

test('every error code is documented, and nothing else', () => {
  const documented = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1])
  assert.deepEqual(documented, Object.keys(ERROR_CODES))
})

test('every error code is used', () => {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.ts'))
  const source = files
    .filter((file) => file !== 'error-codes.ts')
    .map((file) => read(join('src', file)))
    .join('\n')
  assert.deepEqual(
    Object.keys(ERROR_CODES).filter((code) => !source.includes(`'${code}'`)),
    [],
  )
})

test('every file that the documentation names exists', () => {
  for (const page of ['README.md', 'docs/architecture.md', 'docs/packaging.md', 'docs/structured-output.md']) {
    const folders = ['', 'src', 'src/program/passes', 'src/engine']
    const names = [...read(page).matchAll(/`([\w/.-]+\.(?:ts|md|mjs))`/g)].map((match) => match[1]!)
    for (const name of names) {
      const found = folders.some((folder) => {
        try {
          return read(join(folder, name)).length > 0
        } catch {
          return false
        }
      })
      assert.ok(found, `${page} names ${name}`)
    }
  }
})

test('every link of the documentation leads somewhere', () => {
  for (const page of [
    'README.md',
    'docs/architecture.md',
    'docs/packaging.md',
    'docs/structured-output.md',
    'models/warpline-stories/README.md',
    'tools/distill/README.md',
  ]) {
    for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      assert.doesNotThrow(() => read(join(page, '..', target!)), `${page} links to ${target}`)
    }
  }
})

test('the changelog names every family', () => {
  const changelog = read('CHANGELOG.md')
  for (const family of supportedModelTypes) assert.ok(changelog.includes(family), family)
})

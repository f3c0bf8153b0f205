import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '../..')

interface Packed {
  size: number
  files: { path: string }[]
}

test('the published package holds what a user needs, and nothing else', () => {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  const [packed] = JSON.parse(output) as [Packed]
  const paths = packed.files.map(({ path }) => path)
  const needed = [
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/main.js',
    'dist/llm/engine-worker.js',
    'dist/server/index.js',
    'dist/ai-sdk/index.js',
    'playground/index.html',
  ]
  const model = [
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
    'generation_config.json',
  ]
  for (const path of [...needed, ...model.map((file) => `models/warpline-stories/${file}`)]) {
    assert.ok(paths.includes(path), `${path} is not published`)
  }
  const folders = /^(dist|models|playground|deploy|examples|docs)\/|^native\/cpu\/(core|kernels|simd)\/.*\.(cc|h)$/
  const files = /^((package\.json|README\.md|LICENSE|CHANGELOG\.md)|native\/cpu\/[\w.]+|tools\/build-cpu\.mjs)$/
  assert.deepEqual(
    paths.filter((path) => !folders.test(path) && !files.test(path)),
    [],
  )
  assert.deepEqual(
    paths.filter((path) => /\.tsbuildinfo$|\.test\.|\.warpline-ready$/.test(path)),
    [],
  )
})

test('the lock file holds no download addresses', () => {
  assert.doesNotMatch(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'), /"resolved"|https?:\/\/registry/)
})

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeHub, MODEL } from '../hub/fake-hub.js'
import { PROJECT, warpline } from '../support/cli.js'

test('pull downloads a model that generate then runs by its name, offline', async (t) => {
  const folder = join(PROJECT, 'test/golden/models/llama')
  const files = ['config.json', 'generation_config.json', 'model.safetensors']
  const hub = await FakeHub.start(t, Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file))])))
  const cache = mkdtempSync(join(tmpdir(), 'warpline-hub-'))
  t.after(() => rmSync(cache, { recursive: true, force: true }))
  const env = { ...process.env, HF_ENDPOINT: hub.origin, HF_HUB_CACHE: cache, HF_TOKEN: '', HF_HOME: cache }

  const pulled = await warpline(['pull', MODEL], { env })
  assert.equal(pulled.status, 0, pulled.stderr)
  const directory = pulled.stdout.trim()
  assert.ok(directory.startsWith(cache))
  assert.deepEqual(readFileSync(join(directory, 'config.json')), readFileSync(join(folder, 'config.json')))

  const asked = hub.seen.length
  const flags = [
    '--prompt-ids',
    '5,6,7',
    '--max-tokens',
    '3',
    '--temperature',
    '0',
    '--json',
    '--offline',
    '--device',
    'reference',
  ]
  const byName = await warpline(['generate', MODEL, ...flags], { env })
  const byFolder = await warpline(['generate', folder, ...flags], { env })
  assert.equal(byName.status, 0, byName.stderr)
  assert.deepEqual(JSON.parse(byName.stdout).choices, JSON.parse(byFolder.stdout).choices)
  const again = await warpline(['pull', MODEL, '--offline'], { env })
  assert.equal(again.stdout, pulled.stdout)
  assert.equal(hub.seen.length, asked, 'offline asks nobody')

  const missing = await warpline(['pull', 'owner/nothing'], { env })
  assert.equal(missing.status, 1)
  assert.match(missing.stderr, /^hub-not-found: /)
})

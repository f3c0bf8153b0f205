import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BUNDLED_MODEL } from '../../src/index.js'

test('the bundled model fits into 16 MB', () => {
  const bytes = readdirSync(BUNDLED_MODEL).reduce((sum, file) => sum + statSync(join(BUNDLED_MODEL, file)).size, 0)
  assert.ok(bytes < 16e6, `${bytes} bytes`)
})

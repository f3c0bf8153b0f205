import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Fields, type Struct, struct } from '../../../src/backend/structs.js'

const NATIVE = fileURLToPath(new URL('../../../native/cuda', import.meta.url))
const LAUNCH = fileURLToPath(new URL('../../../src/backend/cuda/launch', import.meta.url))

/** `struct XParams { ... };` of a CUDA source as fields. */
function structsIn(source: string): Map<string, Record<string, string>> {
  const found = new Map<string, Record<string, string>>()
  for (const [, name, body] of source.matchAll(/struct (\w+Params) \{([^}]*)\};/g)) {
    const fields: Record<string, string> = {}
    for (const [, type, field, count] of body!.matchAll(/^\s*([\w ]+?[\s*]+)(\w+)(?:\[(\w+)\])?;/gm)) {
      const scalar = type!.includes('*') ? 'pointer' : SCALARS[type!.trim()]
      assert.ok(scalar, `${name}.${field}: ${type} is no type of a parameter`)
      fields[field!] = count ? `${scalar}[]` : scalar
    }
    found.set(name!, fields)
  }
  return found
}

const SCALARS: Record<string, string> = { i32: 'i32', i64: 'i64', u32: 'i32', u64: 'pointer', float: 'f32' }

function sources(folder: string, pattern: RegExp): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((file) => !file.includes(join('cuda', 'build')))
}

test('every parameter struct has the same fields in TypeScript and in CUDA C++', async () => {
  const native = new Map<string, Record<string, string>>()
  for (const file of sources(NATIVE, /\.cuh?$/)) {
    for (const [name, fields] of structsIn(readFileSync(file, 'utf8'))) native.set(name, fields)
  }
  const seen: string[] = []
  for (const file of sources(LAUNCH, /\.[jt]s$/)) {
    for (const [name, layout] of Object.entries(await import(pathToFileURL(file).href))) {
      if (!name.endsWith('_PARAMS')) continue
      const own = name.toLowerCase().replaceAll(/(^|_)(\w)/g, (_, __, letter) => letter.toUpperCase())
      const fields = native.get(own)
      assert.ok(fields, `${name} has no counterpart ${own} in native/cuda`)
      const typed = (layout as Struct<Fields>).fields
      const written = Object.entries(typed).map(([field, type]) => [field, Array.isArray(type) ? `${type[0]}[]` : type])
      assert.deepEqual(Object.fromEntries(written), fields, name)
      assert.deepEqual(Object.keys(typed), Object.keys(fields), `${name}: the order of fields`)
      seen.push(own)
    }
  }
  assert.ok(seen.length > 5, `only ${seen.length} structs were compared`)
})

test('fields lie where a C compiler puts them', () => {
  const layout = struct({ a: 'i32', b: 'pointer', c: 'f32', d: ['i32', 3], e: 'i64' })
  assert.deepEqual(layout.offsets, { a: 0, b: 8, c: 16, d: 20, e: 32 })
  assert.equal(layout.bytes, 40)
})

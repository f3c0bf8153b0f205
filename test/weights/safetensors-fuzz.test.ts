import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { isWarplineError } from '../../src/errors.js'
import { openSafetensors } from '../../src/weights/safetensors.js'
import { openFilesIn, safetensorsBytes, temporaryDirectory } from './support.js'

const header = {
  __metadata__: { format: 'pt' },
  'h.0.weight': { dtype: 'BF16', shape: [2, 3], data_offsets: [0, 12] },
  'h.0.bias': { dtype: 'F32', shape: [2], data_offsets: [12, 20] },
  scalar: { dtype: 'U8', shape: [], data_offsets: [20, 21] },
  empty: { dtype: 'F16', shape: [0], data_offsets: [21, 21] },
}
const sound = safetensorsBytes(
  header,
  Uint8Array.from({ length: 21 }, (_, i) => i + 1),
)

/** Whether the file can be read to its end; any other exception than a typed one fails the test. */
async function readsOrRefuses(path: string, bytes: Uint8Array): Promise<boolean> {
  await writeFile(path, bytes)
  try {
    const file = await openSafetensors(path)
    try {
      for (const { name, byteOffset, byteLength } of file.tensors.values()) {
        assert.deepEqual(await file.read(name), bytes.slice(byteOffset, byteOffset + byteLength))
        await file.readFloat32(name)
      }
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    assert.ok(isWarplineError(error), `not a typed error: ${error}`)
    assert.match(error.code, /^(checkpoint-corrupt|checkpoint-dtype-unsupported)$/)
    assert.ok(error.message.startsWith(path), 'the message names the file')
    assert.ok(!error.message.includes('\n') && error.message.length < 2000)
    return false
  }
}

test('a file cut at any length is refused', async (t) => {
  const path = join(await temporaryDirectory(t), 'cut.safetensors')
  assert.ok(await readsOrRefuses(path, sound))
  for (let length = 0; length < sound.length; length++) {
    assert.ok(!(await readsOrRefuses(path, sound.slice(0, length))), `${length} bytes of ${sound.length}`)
  }
})

test('any one changed bit gives a typed error or a correct read', async (t) => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'flipped.safetensors')
  for (let at = 0; at < sound.length - 21; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = sound.slice()
      flipped[at]! ^= 1 << bit
      await readsOrRefuses(path, flipped)
    }
  }
  assert.deepEqual(openFilesIn(directory) ?? [], [])
})

test('random damage to the header gives a typed error or a correct read', async (t) => {
  const path = join(await temporaryDirectory(t), 'damaged.safetensors')
  const text = JSON.stringify(header)
  const put = fc.constantFrom(
    '',
    '"',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '-',
    '9',
    '99999999999999999999',
    '1e9',
    'null',
    '\\u0000',
  )
  const edit = fc.record({ at: fc.nat(text.length), cut: fc.nat(12), put })
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
      const damaged = edits.reduce((s, e) => s.slice(0, e.at) + e.put + s.slice(e.at + e.cut), text)
      await readsOrRefuses(path, safetensorsBytes(damaged, sound.slice(-21)))
    }),
    { numRuns: 500 },
  )
})

test('random shapes, types and offsets are read only when they tile the data', async (t) => {
  const path = join(await temporaryDirectory(t), 'random.safetensors')
  const number = fc.oneof(fc.nat(9), fc.constantFrom(-1, 0.5, 2 ** 31, 2 ** 53, 1e300))
  const entry = fc.record({
    dtype: fc.constantFrom('U8', 'F16', 'F32', 'F64'),
    shape: fc.array(number, { maxLength: 3 }),
    data_offsets: fc.tuple(number, number),
  })
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string({ maxLength: 3 }), entry), fc.nat(20), async (tensors, dataBytes) => {
      const readable = await readsOrRefuses(path, safetensorsBytes(tensors, new Uint8Array(dataBytes)))
      const widths = { U8: 1, F16: 2, F32: 4, F64: 8 } as Record<string, number>
      const parts = Object.values(tensors).sort(
        (a, b) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1],
      )
      let end = 0
      const tiles = parts.every(({ dtype, shape, data_offsets: [begin, next] }) => {
        const whole = [...shape, begin, next].every((n) => Number.isSafeInteger(n) && n >= 0)
        const fits = begin === end && next - begin === shape.reduce((p, n) => p * n, widths[dtype]!)
        end = next
        return whole && fits
      })
      assert.equal(readable, tiles && end === dataBytes)
    }),
    { numRuns: 400 },
  )
})

test('random bytes are refused', async (t) => {
  const path = join(await temporaryDirectory(t), 'noise.safetensors')
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), fc.nat(40), async (noise, claimed) => {
      await readsOrRefuses(path, noise)
      const bytes = new Uint8Array(8 + noise.length)
      bytes[0] = claimed
      bytes.set(noise, 8)
      await readsOrRefuses(path, bytes)
    }),
    { numRuns: 200 },
  )
})

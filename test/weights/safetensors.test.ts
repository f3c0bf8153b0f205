import assert from 'node:assert/strict'
import { truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import type { WarplineError } from '../../src/errors.js'
import { type CheckpointDtype, DTYPE_BYTES, fromFloat32 } from '../../src/weights/dtype.js'
import { openSafetensors, type TensorToWrite, writeSafetensors } from '../../src/weights/safetensors.js'
import { openFilesIn, safetensorsBytes, temporaryDirectory } from './support.js'

async function openBytes(t: TestContext, bytes: Uint8Array) {
  const path = join(await temporaryDirectory(t), 'model.safetensors')
  await writeFile(path, bytes)
  const file = await openSafetensors(path)
  t.after(() => file.close())
  return file
}

const tensor = (dtype: string, shape: unknown, ...data_offsets: unknown[]) => ({ dtype, shape, data_offsets })

test('tensors are found with their type, shape and place, in the order of their bytes', async (t) => {
  const header = { b: tensor('F32', [1, 2], 4, 12), __metadata__: { format: 'pt' }, a: tensor('BF16', [2], 0, 4) }
  const file = await openBytes(
    t,
    safetensorsBytes(
      header,
      Uint8Array.from({ length: 12 }, (_, i) => i),
    ),
  )
  const dataStart = 8 + JSON.stringify(header).length
  assert.deepEqual(
    [...file.tensors.values()],
    [
      { name: 'a', dtype: 'BF16', shape: [2], byteOffset: dataStart, byteLength: 4, file: file.path },
      { name: 'b', dtype: 'F32', shape: [1, 2], byteOffset: dataStart + 4, byteLength: 8, file: file.path },
    ],
  )
  assert.deepEqual([...file.metadata], [['format', 'pt']])
  assert.deepEqual(await file.read('b'), Uint8Array.of(4, 5, 6, 7, 8, 9, 10, 11))
})

test('scalars, empty tensors and a file without tensors are legal', async (t) => {
  const header = { none: tensor('F32', [3, 0], 0, 0), scalar: tensor('F32', [], 0, 4), last: tensor('I8', [0], 4, 4) }
  const file = await openBytes(t, safetensorsBytes(header, fromFloat32('F32', Float32Array.of(7))))
  assert.deepEqual(await file.readFloat32('scalar'), Float32Array.of(7))
  assert.deepEqual(await file.readFloat32('none'), new Float32Array())
  assert.deepEqual(await file.read('last'), new Uint8Array())
  assert.equal((await openBytes(t, safetensorsBytes('{}'))).tensors.size, 0)
  assert.equal((await openBytes(t, safetensorsBytes('{}      '))).tensors.size, 0)
})

test('names that mean something to JavaScript are names like any other', async (t) => {
  const header =
    '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}'
  const file = await openBytes(t, safetensorsBytes(header, Uint8Array.of(1, 2)))
  assert.deepEqual(await file.read('__proto__'), Uint8Array.of(1))
  assert.deepEqual(await file.read('constructor'), Uint8Array.of(2))
  await assert.rejects(file.read('toString'), { code: 'tensor-missing' })
})

test('a misspelt tensor is answered with the nearest name', async (t) => {
  const file = await openBytes(t, safetensorsBytes({ 'wte.weight': tensor('U8', [1], 0, 1) }, Uint8Array.of(1)))
  await assert.rejects(file.read('wte.wieght'), { code: 'tensor-missing', message: /"wte\.weight"/ })
})

const unsound: [string, unknown, number, RegExp][] = [
  ['ends beyond the file', { a: tensor('U8', [9], 0, 9) }, 8, /tensor "a" ends at byte 9 of 8: the file is cut off/],
  ['ends before it begins', { a: tensor('U8', [1], 2, 1) }, 2, /before it begins/],
  ['has a negative offset', { a: tensor('U8', [1], -1, 0) }, 1, /-1 is not a whole number/],
  ['has a fractional offset', { a: tensor('U8', [1], 0.5, 1.5) }, 2, /0\.5 is not a whole number/],
  ['has a huge offset', '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551616]}}', 1, /not a whole/],
  ['has a negative dimension', { a: tensor('U8', [-1, -1], 0, 1) }, 1, /-1 is not a whole number/],
  ['has a fractional dimension', { a: tensor('U8', [0.5, 2], 0, 1) }, 1, /0\.5 is not a whole number/],
  ['has more elements than can be counted', { a: tensor('U8', [2 ** 30, 2 ** 30], 0, 1) }, 1, /too large to count/],
  ['overflows to a small product', { a: tensor('U8', [2 ** 32, 2 ** 32, 1], 0, 0) }, 0, /too large to count/],
  ['has fewer bytes than its shape', { a: tensor('F32', [2], 0, 4) }, 4, /has 4 bytes where F32 \[2\] needs 8/],
  ['overlaps another', { a: tensor('U8', [4], 0, 4), b: tensor('U8', [4], 2, 6) }, 6, /tensor "b" overlaps/],
  ['lies inside another', { a: tensor('U8', [6], 0, 6), b: tensor('U8', [2], 2, 4) }, 6, /tensor "b" overlaps/],
  ['shares the bytes of another', { a: tensor('U8', [4], 0, 4), b: tensor('U8', [4], 0, 4) }, 4, /overlaps/],
  ['leaves a hole before it', { a: tensor('U8', [2], 1, 3) }, 3, /1 bytes before tensor "a" belong to none/],
  ['leaves bytes after it', { a: tensor('U8', [2], 0, 2) }, 3, /1 bytes after the last tensor/],
  ['lacks its type', { a: { shape: [1], data_offsets: [0, 1] } }, 1, /"a" lacks dtype/],
  ['lacks its shape', { a: { dtype: 'U8', data_offsets: [0, 1] } }, 1, /"a" lacks shape/],
  ['lacks its offsets', { a: { dtype: 'U8', shape: [1] } }, 1, /"a" lacks data_offsets/],
  ['has one offset', { a: tensor('U8', [1], 0) }, 1, /lacks data_offsets/],
  ['has three offsets', { a: tensor('U8', [1], 0, 1, 2) }, 1, /more than two/],
  ['has a shape that is no list', { a: tensor('U8', 1, 0, 1) }, 1, /"\[" was expected/],
  ['has too many axes', { a: tensor('U8', Array(65).fill(1), 0, 1) }, 1, /too many axes/],
  ['has offsets as text', { a: tensor('U8', [1], '0', '1') }, 1, /not a whole number/],
  ['has a type that is no text', { a: { dtype: 3, shape: [1], data_offsets: [0, 1] } }, 1, /a string was expected/],
  ['is no object', { a: [] }, 0, /"\{" was expected/],
]
for (const [what, header, dataBytes, message] of unsound) {
  test(`a tensor that ${what} is refused`, async (t) => {
    const bytes = safetensorsBytes(header, new Uint8Array(dataBytes))
    await assert.rejects(openBytes(t, bytes), { name: 'WarplineError', code: 'checkpoint-corrupt', message })
  })
}

const broken: [string, Uint8Array, RegExp][] = [
  ['is empty', new Uint8Array(), /0 bytes, too few/],
  ['is shorter than its length field', new Uint8Array(7), /7 bytes, too few/],
  ['has an empty header', safetensorsBytes(''), /does not begin with/],
  ['claims more header than there is', safetensorsBytes('{}', undefined, 3n), /file ends before them/],
  ['claims a header over 100 MB', safetensorsBytes('{}', undefined, 100_000_001n), /at most 100 MB/],
  [
    'claims a header of 2^64 - 1 bytes',
    safetensorsBytes('{}', undefined, 2n ** 64n - 1n),
    /18446744073709551615 bytes/,
  ],
  ['has a list for a header', safetensorsBytes('[]'), /does not begin with/],
  ['has a byte order mark', safetensorsBytes('\ufeff{}'), /does not begin with/],
  ['begins with white space', safetensorsBytes(' {}'), /does not begin with/],
  ['has text after its header', safetensorsBytes('{}{}'), /something follows/],
  ['has a cut header', safetensorsBytes('{"a":{"dtype":"U8"'), /was expected/],
  ['has a header that is not UTF-8', safetensorsBytes('{}', Uint8Array.of(0xff, 0x7d), 4n), /not valid UTF-8/],
  [
    'names a tensor twice',
    safetensorsBytes(`{${Array(2).fill('"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}')}}`),
    /"a" appears twice/,
  ],
  [
    'gives a tensor two types',
    safetensorsBytes('{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    /"dtype" appears twice/,
  ],
  [
    'has duplicates in what is not read',
    safetensorsBytes('{"a":{"x":[{"k":1,"k":1}],"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    /"k" appears twice/,
  ],
  ['has two metadata', safetensorsBytes('{"__metadata__":{},"__metadata__":{}}'), /appears twice/],
  ['has metadata that is no text', safetensorsBytes('{"__metadata__":{"a":1}}'), /a string was expected/],
  ['is nested deeply', safetensorsBytes(`{"a":{"x":${'['.repeat(100_000)}`), /nested more than 64 deep/],
]
for (const [what, bytes, message] of broken) {
  test(`a file that ${what} is refused`, async (t) => {
    await assert.rejects(openBytes(t, bytes), { name: 'WarplineError', code: 'checkpoint-corrupt', message })
  })
}

test('a type that is not known is refused by name', async (t) => {
  for (const dtype of ['F4', 'f32', '', '__proto__', 'toString']) {
    const opened = openBytes(t, safetensorsBytes({ a: tensor(dtype, [1], 0, 4) }, new Uint8Array(4)))
    await assert.rejects(opened, { code: 'checkpoint-dtype-unsupported', message: new RegExp(`"${dtype}".*BF16`) })
  }
})

test('a claimed header length costs no memory before it is checked', async (t) => {
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 20; i++) {
    await assert.rejects(openBytes(t, safetensorsBytes('{}', undefined, 99_999_999n)), { code: 'checkpoint-corrupt' })
  }
  assert.ok(process.memoryUsage().arrayBuffers - before < 50e6)
})

test('a range of elements is read as exactly those elements, of every type', async (t) => {
  const path = join(await temporaryDirectory(t), 'ranges.safetensors')
  const types = Object.keys(DTYPE_BYTES) as CheckpointDtype[]
  const content = (dtype: CheckpointDtype) => Uint8Array.from({ length: 10 * DTYPE_BYTES[dtype] }, (_, i) => i & 0x3f)
  await writeSafetensors(
    path,
    types.map((dtype) => ({ name: dtype, dtype, shape: [2, 5], data: content(dtype) })),
  )
  const file = await openSafetensors(path)
  t.after(() => file.close())
  const range = fc.record({ dtype: fc.constantFrom(...types), start: fc.nat(10), length: fc.nat(10) })
  await fc.assert(
    fc.asyncProperty(range, async ({ dtype, start, length }) => {
      const read = file.read(dtype, { start, length })
      if (start + length > 10) return assert.rejects(read, { code: 'tensor-range-invalid' })
      const width = DTYPE_BYTES[dtype]
      assert.deepEqual(await read, content(dtype).slice(start * width, (start + length) * width))
      const whole = await file.readFloat32(dtype)
      assert.deepEqual(await file.readFloat32(dtype, { start, length }), whole.slice(start, start + length))
    }),
  )
  for (const bad of [{ start: -1 }, { start: 0.5 }, { start: 11 }, { length: -1 }, { length: Number.NaN }]) {
    await assert.rejects(file.read('F32', bad), { code: 'tensor-range-invalid' })
  }
  assert.deepEqual(await file.read('U8', { start: 7 }), content('U8').slice(7))
})

test('a large tensor of 16-bit floats is converted piece by piece to the same values', async (t) => {
  const path = join(await temporaryDirectory(t), 'large.safetensors')
  const count = 2 ** 22 + 5
  const values = Float32Array.from({ length: count }, (_, i) => i % 251)
  await writeSafetensors(path, [{ name: 'w', dtype: 'BF16', shape: [count], data: fromFloat32('BF16', values) }])
  const file = await openSafetensors(path)
  t.after(() => file.close())
  assert.ok(Buffer.from(values.buffer).equals(Buffer.from((await file.readFloat32('w')).buffer)))
  const tail = await file.readFloat32('w', { start: 3 })
  assert.ok(Buffer.from(values.slice(3).buffer).equals(Buffer.from(tail.buffer)))
})

test('many reads at once do not disturb each other, and targets of the caller are filled', async (t) => {
  const data = Uint8Array.from({ length: 64 }, (_, i) => i)
  const file = await openBytes(t, safetensorsBytes({ a: tensor('U8', [64], 0, 64) }, data))
  const reads = await Promise.all(Array.from({ length: 64 }, (_, i) => file.read('a', { start: i, length: 1 })))
  assert.deepEqual(
    reads.map((bytes) => bytes[0]),
    [...data],
  )
  const target = new Uint8Array(70).subarray(3, 67)
  await file.readInto('a', target)
  assert.deepEqual(target, data)
  await assert.rejects(file.readInto('a', new Uint8Array(63)), { code: 'tensor-range-invalid' })
})

test('a file that is cut or rewritten after it was opened is noticed', async (t) => {
  const header = { a: tensor('U8', [64], 0, 64) }
  const cut = await openBytes(t, safetensorsBytes(header, new Uint8Array(64)))
  await truncate(cut.path, 40)
  await assert.rejects(cut.read('a'), { code: 'checkpoint-changed' })
  const rewritten = await openBytes(t, safetensorsBytes(header, new Uint8Array(64)))
  await writeFile(rewritten.path, safetensorsBytes(header, new Uint8Array(64).fill(1)))
  await utimes(rewritten.path, 1, 1)
  await assert.rejects(rewritten.read('a'), { code: 'checkpoint-changed' })
})

test('closing gives the file back, and reading afterwards is a typed error', async (t) => {
  const file = await openBytes(t, safetensorsBytes({ a: tensor('U8', [1], 0, 1) }, Uint8Array.of(1)))
  assert.notDeepEqual(openFilesIn(file.path), [])
  await file.close()
  await file.close()
  assert.deepEqual(openFilesIn(file.path) ?? [], [])
  await assert.rejects(file.read('a'), { code: 'checkpoint-closed' })
  const disposed = await openBytes(t, safetensorsBytes('{}'))
  await disposed[Symbol.asyncDispose]()
  assert.deepEqual(openFilesIn(disposed.path) ?? [], [])
})

test('reads under way when the file is closed end with their bytes or a typed error', async (t) => {
  const data = new Uint8Array(1 << 16).fill(9)
  const file = await openBytes(t, safetensorsBytes({ a: tensor('U8', [1 << 16], 0, 1 << 16) }, data))
  const reads = Array.from({ length: 20 }, () => file.read('a'))
  await file.close()
  for (const result of await Promise.allSettled(reads)) {
    if (result.status === 'fulfilled') assert.deepEqual(result.value, data)
    else assert.equal((result.reason as WarplineError).code, 'checkpoint-closed')
  }
})

test('missing files and directories are told apart from damaged ones', async (t) => {
  const directory = await temporaryDirectory(t)
  await assert.rejects(openSafetensors(join(directory, 'none.safetensors')), { code: 'file-missing' })
  await assert.rejects(openSafetensors(directory), { code: 'file-unreadable', message: /it is a directory/ })
})

const anyTensors = fc.uniqueArray(
  fc
    .record({
      name: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', '1', '0', 'a"\\\n')),
      dtype: fc.constantFrom(...(Object.keys(DTYPE_BYTES) as CheckpointDtype[])),
      shape: fc.array(fc.nat(4), { maxLength: 4 }),
      seed: fc.nat(255),
    })
    .filter(({ name }) => name !== '__metadata__'),
  { selector: ({ name }) => name, maxLength: 8 },
)

test('what the writer writes is read back, aligned to each element and independent of the given order', async (t) => {
  const path = join(await temporaryDirectory(t), 'written.safetensors')
  await fc.assert(
    fc.asyncProperty(anyTensors, fc.dictionary(fc.string(), fc.string()), async (specs, metadata) => {
      const tensors = specs.map(({ name, dtype, shape, seed }): TensorToWrite & { data: Uint8Array } => {
        const bytes = shape.reduce((product, size) => product * size, 1) * DTYPE_BYTES[dtype]
        return { name, dtype, shape, data: new Uint8Array(bytes).fill(seed) }
      })
      await writeSafetensors(path, tensors, metadata)
      const file = await openSafetensors(path)
      try {
        assert.equal(file.tensors.size, tensors.length)
        assert.deepEqual(new Map(file.metadata), new Map(Object.entries(metadata)))
        for (const { name, dtype, shape, data } of tensors) {
          const info = file.tensors.get(name)!
          assert.deepEqual([info.dtype, info.shape], [dtype, shape])
          assert.equal(info.byteOffset % DTYPE_BYTES[dtype], 0)
          assert.deepEqual(await file.read(name), data)
        }
      } finally {
        await file.close()
      }
    }),
    { numRuns: 60 },
  )
})

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import * as abi from '../../../src/backend/cpu/abi.js'
import { type Field, type Fields, type Struct, struct } from '../../../src/backend/structs.js'

const read = (file: string) => readFileSync(new URL(`../../../native/cpu/${file}`, import.meta.url), 'utf8')
const header = read('abi.h') + read('commands.h')

const SCALARS: Readonly<Record<string, string>> = { int32_t: 'i32', int64_t: 'i64', float: 'f32', double: 'f64' }
const CONSTANTS: Readonly<Record<string, number>> = { WL_MOST_ADDS: abi.MOST_ADDS }

/** `[name, type]` of each field of a C struct of the headers, in order. */
function fieldsOf(name: string): [string, string][] {
  const body = header.match(new RegExp(`typedef struct ${name} \\{([^}]*)\\} ${name};`))?.[1]
  assert.ok(body, `no struct ${name} in the headers`)
  const declarations = body.replace(/\/\/.*$/gm, '').split(';')
  return declarations
    .map((text) => text.trim())
    .filter(Boolean)
    .map(fieldOf)
}

function fieldOf(declaration: string): [string, string] {
  const [, type, star, name, count] = declaration.match(/^(?:const )?(\w+)(\*?) (\w+)(?:\[(\w+)\])?$/) ?? []
  const scalar = star ? 'pointer' : (SCALARS[type!] ?? type!)
  return [name!, count ? `${scalar} x ${CONSTANTS[count] ?? count}` : scalar]
}

function described(fields: Fields): [string, string][] {
  const typeOf = (field: Field) => {
    if (typeof field === 'string') return field
    return 'fields' in field ? 'wl_matrix' : `${field[0]} x ${field[1]}`
  }
  return Object.entries(fields).map(([name, field]) => [name, typeOf(field)])
}

function enumeration(name: string): Record<string, number> {
  const body = header.match(new RegExp(`typedef enum ${name} \\{([^}]*)\\}`))![1]!
  return Object.fromEntries([...body.matchAll(/(WL_\w+) = (\d+)/g)].map(([, key, value]) => [key!, Number(value)]))
}

describe('TypeScript lays structs out as the headers do', () => {
  const structs: Record<string, Struct<Fields>> = {
    wl_matrix: abi.MATRIX,
    wl_rows: abi.ROWS,
    wl_linear: abi.LINEAR,
    wl_embed: abi.EMBED,
    wl_norm: abi.NORM_PARAMETERS,
    wl_add: abi.ADD,
    wl_turns: abi.TURNS,
    wl_qkv: abi.QKV,
    wl_attention: abi.ATTENTION,
    wl_moe: abi.MOE,
    wl_gather_rows: abi.GATHER_ROWS,
    wl_cache: abi.CACHE_ENTRY,
    wl_copy_blocks: abi.COPY_BLOCKS,
    wl_sampling: abi.SAMPLING,
    wl_sampled: abi.SAMPLED,
    wl_sample: abi.SAMPLE,
  }
  for (const [name, layout] of Object.entries(structs)) {
    test(name, () => assert.deepEqual(described(layout.fields), fieldsOf(name)))
  }

  test('and every parameter fits a command', () => {
    for (const { parameters } of Object.values(abi.OPCODES)) assert.ok(parameters.bytes + 8 <= abi.COMMAND_BYTES)
  })
})

describe('TypeScript names numbers as the headers do', () => {
  const same = (name: string, values: readonly (readonly [string, number])[]) =>
    test(name, () => {
      const known = enumeration(name)
      for (const [key, value] of values) assert.equal(known[key], value, key)
    })
  const upper = (word: string) => word.replace(/-/g, '_').toUpperCase()
  same(
    'wl_opcode',
    Object.entries(abi.OPCODES).map(([kind, { opcode }]) => {
      return [`WL_OP_${upper(kind === 'logits' ? 'linear' : kind)}`, opcode]
    }),
  )
  same(
    'wl_activation',
    Object.entries(abi.ACTIVATION).map(([name, value]) => [`WL_${upper(name)}`, value]),
  )
  same(
    'wl_size',
    Object.entries(abi.SIZE).map(([name, value]) => [`WL_${upper(name)}`, value]),
  )
  same(
    'wl_cache_type',
    Object.entries(abi.CACHE).map(([name, { type }]) => [`WL_CACHE_${upper(name)}`, type]),
  )
  same(
    'wl_sampling_mode',
    Object.entries(abi.SAMPLING_MODE).map(([name, value]) => [`WL_${upper(name)}`, value]),
  )
  same('wl_storage', [
    ['WL_F32', abi.STORAGE.f32],
    ['WL_BF16', abi.STORAGE.bf16],
    ['WL_F16', abi.STORAGE.f16],
    ['WL_INT8', abi.STORAGE.int8],
    ['WL_INT8_G32', abi.STORAGE.int8Group32],
    ['WL_INT4_G32', abi.STORAGE.int4Group32],
    ['WL_INT4_G128', abi.STORAGE.int4Group128],
  ])
  same('wl_rows_type', [
    ['WL_ROWS_F32', abi.ROWS_TYPE.f32],
    ['WL_ROWS_BF16', abi.ROWS_TYPE.bf16],
    ['WL_ROWS_F16', abi.ROWS_TYPE.f16],
  ])
  same('wl_norm_kind', [
    ['WL_NO_NORM', abi.NORM.none],
    ['WL_LAYER_NORM', abi.NORM.layer],
    ['WL_RMS_NORM', abi.NORM.rms],
  ])
  same('wl_sample_failure', [
    ['WL_LOGITS_NOT_FINITE', abi.SAMPLE_FAILURES.indexOf('logits-not-finite')],
    ['WL_NOTHING_ALLOWED', abi.SAMPLE_FAILURES.indexOf('nothing-allowed')],
  ])

  test('the interface version', () => {
    assert.equal(Number(header.match(/#define WL_ABI_VERSION (\d+)/)![1]), abi.ABI_VERSION)
    assert.equal(Number(header.match(/WL_SIZES = (\d+)/)![1]), abi.SIZES)
  })
})

test('fields stand at multiples of their size, and what is left out is zero', () => {
  const inner = struct({ a: 'i32', b: 'pointer' })
  const outer = struct({ first: 'f32', inner, pair: ['f32', 2], last: 'i32' })
  assert.deepEqual(inner.offsets, { a: 0, b: 8 })
  assert.deepEqual(outer.offsets, { first: 0, inner: 8, pair: 24, last: 32 })
  assert.equal(outer.bytes, 40)
  const view = new DataView(new ArrayBuffer(48).slice(0))
  for (let i = 0; i < 48; i++) view.setUint8(i, 255)
  outer.write(view, 8, { first: 1.5, inner: { b: 0xffff_ffff_ffff_0000n }, pair: [2] })
  assert.equal(view.getFloat32(8, true), 1.5)
  assert.equal(view.getInt32(16, true), 0)
  assert.equal(view.getBigUint64(24, true), 0xffff_ffff_ffff_0000n)
  assert.deepEqual([view.getFloat32(32, true), view.getFloat32(36, true), view.getInt32(40, true)], [2, 0, 0])
  assert.equal(view.getUint8(7), 255)
})

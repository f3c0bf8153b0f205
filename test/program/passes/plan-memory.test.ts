import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { lower, REFERENCE_LOWERING } from '../../../src/model/lower.js'
import { bytesOf, elementCount, type Ref } from '../../../src/program/buffer.js'
import { reads, writes } from '../../../src/program/operation.js'
import { optimize } from '../../../src/program/passes/optimize.js'
import { planMemory } from '../../../src/program/passes/plan-memory.js'
import { getBuffer, type Program, ProgramBuilder } from '../../../src/program/program.js'
import { zeros } from '../../../src/program/weight-source.js'
import { FORMS, randomModel } from '../../support/random-model.js'

describe('peak activation bytes do not grow with depth', () => {
  const peak = (form: object, layers: number) => {
    const { bytesPerToken, bytesPerRow } = optimize(lower(randomModel({ ...form, layers }).spec, REFERENCE_LOWERING))
      .memory!
    return { bytesPerToken, bytesPerRow }
  }
  for (const [name, form] of Object.entries(FORMS)) {
    test(`${name}: 2 and 48 layers take the same`, () => assert.deepEqual(peak(form, 48), peak(form, 2)))
  }
  test('whatever the widths', () => {
    const width = fc.integer({ min: 1, max: 60 })
    const forms = fc.constantFrom(...Object.values(FORMS))
    fc.assert(
      fc.property(forms, width, width, width, (form, hidden, inner, headDim) => {
        const widths = { ...form, headDim: form.rotary ? 6 : headDim }
        assert.deepEqual(peak({ ...widths, hidden, inner }, 9), peak({ ...widths, hidden, inner }, 2))
      }),
    )
  })

  test('and are far below what all activations together would take', () => {
    const program = optimize(lower(randomModel({ layers: 48 }).spec, REFERENCE_LOWERING))
    const together = [...program.memory!.placements.keys()].reduce((sum, ref) => sum + rowBytes(program, ref), 0)
    assert.ok(program.memory!.bytesPerToken * 20 < together)
  })
})

describe('no two buffers that are alive at once share a byte', () => {
  for (const [name, form] of Object.entries(FORMS)) {
    test(name, () => {
      const spec = randomModel({ ...form, layers: 3 }).spec
      for (const type of ['f32', 'bf16'] as const) {
        const program = lower(spec, { ...REFERENCE_LOWERING, activationType: type })
        assertNoOverlap(planMemory(program))
        assertNoOverlap(optimize(program))
      }
    })
  }

  test('in any program', () => {
    const operation = fc.record({
      x: fc.nat(1000),
      more: fc.array(fc.nat(1000), { maxLength: 3 }),
      width: fc.constantFrom(3, 8, 40),
      sum: fc.boolean(),
    })
    const wiring = fc.array(operation, { minLength: 1, maxLength: 25 })
    fc.assert(
      fc.property(wiring, fc.nat(1000), (ops, hidden) => assertNoOverlap(planMemory(randomProgram(ops, hidden)))),
    )
  })
})

test('every activation has a place, inside the arena', () => {
  const program = optimize(lower(randomModel({ layers: 3 }).spec, REFERENCE_LOWERING))
  const { placements, bytesPerToken, bytesPerRow } = program.memory!
  for (const { name, kind } of program.buffers.values()) {
    if (kind !== 'activation') continue
    const { per, offset } = placements.get(name)!
    assert.equal(offset % 4, 0)
    assert.ok(offset + rowBytes(program, name) <= (per === 'tokens' ? bytesPerToken : bytesPerRow))
  }
})

interface Step {
  readonly x: number
  readonly more: readonly number[]
  readonly width: number
  readonly sum: boolean
}

/** Products and norms of whatever was made before, wired at random. */
function randomProgram(steps: readonly Step[], hidden: number): Program {
  const b = new ProgramBuilder('random')
  b.buffer({ name: 'ids', kind: 'input', dtype: 'i32', shape: ['tokens'] })
  b.buffer({ name: 'table', kind: 'weight', dtype: 'f32', shape: [9, 8], source: zeros([9, 8]) })
  const made: { name: Ref; width: number }[] = []
  const make = (name: Ref, width: number) => {
    made.push({ name, width })
    return b.buffer({ name, kind: 'activation', dtype: 'f32', shape: ['tokens', width] })
  }
  b.add({ kind: 'embed', ids: 'ids', table: 'table', out: make('start', 8) })
  steps.forEach(({ x, more, width, sum }, i) => {
    const input = made[x % made.length]!
    const alike = made.filter((other) => other.width === input.width)
    if (more.length > 0) {
      const adds = more.map((n) => alike[n % alike.length]!.name)
      const kept = sum && { sum: make(`sum${i}`, input.width) }
      const out = make(`out${i}`, input.width)
      b.add({ kind: 'norm', norm: 'rms', epsilon: 1, x: input.name, adds, ...kept, out })
    } else {
      const weight = `weight${i}`
      b.buffer({
        name: weight,
        kind: 'weight',
        dtype: 'f32',
        shape: [width, input.width],
        source: zeros([width, input.width]),
      })
      b.add({ kind: 'linear', x: input.name, weight, out: make(`out${i}`, width) })
    }
  })
  const end = made[hidden % made.length]!.name
  return b.finish({ hidden: end, logits: end })
}

/** Liveness from its definition: after operation i a buffer is alive if it was written by then and is read later. */
function assertNoOverlap(program: Program): void {
  const { operations } = program
  const { placements } = program.memory!
  const results = new Set([program.hidden, program.logits])
  const readBy = operations.map((op) => new Set(reads(op)))
  const isReadFrom = (ref: Ref, i: number) => results.has(ref) || readBy.slice(i).some((refs) => refs.has(ref))
  const born = new Set<Ref>()
  operations.forEach((op, i) => {
    for (const ref of writes(op)) born.add(ref)
    const alive = [...born].filter((ref) => placements.has(ref) && (writes(op).includes(ref) || isReadFrom(ref, i)))
    const spans = alive.map((ref) => {
      const { per, offset } = placements.get(ref)!
      return { ref, per, from: offset, to: offset + rowBytes(program, ref) }
    })
    for (const a of spans) {
      for (const b of spans) {
        const overlap = a.ref !== b.ref && a.per === b.per && a.from < b.to && b.from < a.to
        assert.ok(!overlap, `${a.ref} and ${b.ref} share bytes at operation ${i}`)
      }
    }
  })
}

function rowBytes(program: Program, ref: Ref): number {
  const { dtype, shape } = getBuffer(program, ref)
  return bytesOf(dtype, elementCount(shape.slice(1), {}))
}

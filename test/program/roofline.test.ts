import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rooflineOf } from '../../src/program/roofline.js'

const rates = { readBytes: 10e9, operations: { f32: 100e9, int8: 400e9 } }

test('what moves more than it computes is bound by memory: reads and writes count', () => {
  const cost = { bytesRead: 6000, bytesWritten: 4000, flops: 50_000 }
  assert.deepEqual(rooflineOf(cost, 'f32', rates), { nanoseconds: 1000, bound: 'memory' })
})

test('what computes more is bound by the arithmetic of its type', () => {
  const cost = { bytesRead: 6000, bytesWritten: 4000, flops: 800_000 }
  assert.deepEqual(rooflineOf(cost, 'f32', rates), { nanoseconds: 8000, bound: 'arithmetic' })
  assert.deepEqual(rooflineOf(cost, 'int8', rates), { nanoseconds: 2000, bound: 'arithmetic' })
})

test('where a type’s rate is not known, only bytes count', () => {
  const cost = { bytesRead: 6000, bytesWritten: 4000, flops: 800_000 }
  assert.deepEqual(rooflineOf(cost, 'int4', rates), { nanoseconds: 1000, bound: 'memory' })
})

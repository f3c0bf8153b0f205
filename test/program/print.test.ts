import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lower, REFERENCE_LOWERING } from '../../src/model/lower.js'
import { promptShape } from '../../src/program/cost.js'
import { describeProgram } from '../../src/program/describe.js'
import { optimize } from '../../src/program/passes/optimize.js'
import { formatQuantity, printOperations } from '../../src/program/print.js'
import { randomModel } from '../support/random-model.js'

const { spec } = randomModel({ layers: 1, rotary: { dim: 6, pairs: 'half' }, gated: true, kvHeads: 2 })
const program = optimize(lower(spec, REFERENCE_LOWERING))
const lines = printOperations(describeProgram(program, promptShape(10))).split('\n')

test('every operation is a line that names it', () => {
  assert.equal(lines.length, program.operations.length)
  program.operations.forEach((op, i) => {
    assert.match(lines[i]!, new RegExp(`^ *${i}  ${op.kind} `))
  })
})

test('a line shows what is written, what is read, constants, bytes and FLOPs', () => {
  const product = lines.find((line) => line.includes('layers.0.qkv:f32'))!
  assert.match(product, /linear +layers\.0\.qkv:f32\[tokens,48\] +layers\.0\.norm1:f32\[tokens,24\] /)
  assert.match(product, /layers\.0\.qkv\.weight:f32\[48,24\] layers\.0\.qkv\.bias:f32\[48\] /)
  // 4 bytes of 10 x 24 inputs, 48 x 24 weights, 48 biases and 10 x 48 outputs; 2 x 10 x 48 x 24 FLOPs.
  assert.match(product, / 7\.68 kB +23\.0 kFLOP$/)
  const gated = lines.find((line) => line.includes('layers.0.gate-up.weight'))!
  assert.match(gated, /\(activation=gelu-tanh gated=true\)/)
  const rotary = lines.find((line) => line.includes('qkv-to-cache'))!
  assert.match(rotary, /\(heads=4 kvHeads=2 headDim=6 rotary=6 half\)/)
})

test('copies of blocks name the caches by their number', () => {
  assert.match(lines[0]!, /copy-blocks +2 caches +copies:i32\[copies,2\]/)
})

test('quantities have three digits and a prefix', () => {
  assert.equal(formatQuantity(0, 'B'), '0 B')
  assert.equal(formatQuantity(999, 'B'), '999 B')
  assert.equal(formatQuantity(1000, 'B'), '1.00 kB')
  assert.equal(formatQuantity(12345, 'B'), '12.3 kB')
  assert.equal(formatQuantity(1234567, 'FLOP'), '1.23 MFLOP')
  assert.equal(formatQuantity(4.56e17, 'FLOP'), '456 PFLOP')
})

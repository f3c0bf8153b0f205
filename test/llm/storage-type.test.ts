import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkpointType, storageType } from '../../src/llm/storage-type.js'
import type { CheckpointDtype } from '../../src/weights/dtype.js'

const tensors = (...list: readonly (readonly [CheckpointDtype, number])[]) =>
  new Map(list.map(([dtype, rows], i) => [`t${i}`, { dtype, shape: [rows, 4] }]))

describe('what a checkpoint is kept as', () => {
  test('the 16-bit type of most of its numbers, not of most of its tensors', () => {
    assert.equal(checkpointType(tensors(['F32', 1], ['F32', 1], ['BF16', 100]), { dtype: 'bfloat16' }), 'bf16')
    assert.equal(checkpointType(tensors(['F16', 100], ['BF16', 1]), {}), 'f16')
  })

  test('nothing in particular where it is wider, or empty', () => {
    assert.equal(checkpointType(tensors(['F32', 100], ['BF16', 99]), { torch_dtype: 'bfloat16' }), undefined)
    assert.equal(checkpointType(tensors(), {}), undefined)
  })

  test('nothing in particular where it computes in float32, however it is stored', () => {
    assert.equal(checkpointType(tensors(['BF16', 100]), { dtype: 'float32' }), undefined)
    assert.equal(checkpointType(tensors(['BF16', 100]), { torch_dtype: 'float32' }), undefined)
  })
})

describe('the storage type', () => {
  const offered = ['f32', 'bf16', 'int8'] as const

  test('is what was asked for, whatever the checkpoint has', () => {
    assert.equal(storageType('dtype', 'int8', offered, 'cpu', 'bf16'), 'int8')
  })

  test('is by default the checkpoint’s, or the device’s best', () => {
    for (const asked of [undefined, 'auto']) {
      assert.equal(storageType('dtype', asked, offered, 'cpu', 'bf16'), 'bf16')
      assert.equal(storageType('dtype', asked, offered, 'cpu', 'f16'), 'f32')
      assert.equal(storageType('dtype', asked, offered, 'cpu'), 'f32')
    }
  })

  test('is refused where the device does not have it, with those it has', () => {
    const message = 'dtype fp8: the cpu device stores f32, bf16, int8'
    assert.throws(() => storageType('dtype', 'fp8', offered, 'cpu'), { code: 'dtype-unsupported', message })
  })
})

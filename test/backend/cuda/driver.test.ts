import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Context } from '../../../src/backend/cuda/driver/context.js'
import { listDevices } from '../../../src/backend/cuda/driver/device.js'
import { LAUNCH_CONFIG } from '../../../src/backend/cuda/driver/launch-record.js'
import type { Launch } from '../../../src/backend/cuda/launch/launch.js'
import { FakeDriver } from './support/fake-driver.js'

const LAUNCH: Launch = {
  module: 'norm',
  kernel: 'norm_f32',
  grid: [7, 2, 1],
  threads: 128,
  parameters: Uint8Array.of(1, 2, 3, 4),
}

function open(driver = new FakeDriver()) {
  const [device] = listDevices(driver)
  return { driver, context: new Context(driver, device!, () => new Uint8Array(8)) }
}

/** The CUlaunchConfig that a launch was handed, and what follows it in memory. */
function launched(driver: FakeDriver, config: bigint): DataView {
  const array = driver.recordAt(config)
  return new DataView(array)
}

describe('the CUDA driver layer', () => {
  test('tells what a device is', () => {
    const [device] = listDevices(new FakeDriver())
    assert.deepEqual(
      { name: device!.name, architecture: device!.architecture, multiprocessors: device!.multiprocessors },
      { name: 'Fake GPU', architecture: 90, multiprocessors: 132 },
    )
  })

  test('leaves out GPUs that are too old', () => {
    const driver = new FakeDriver()
    driver.attributes.set(75, 7)
    assert.deepEqual(listDevices(driver), [])
  })

  test('says which call failed and with what arguments', () => {
    const { driver, context } = open()
    driver.failures.set('cuMemcpyDtoDAsync_v2', 700)
    assert.throws(() => context.stream().copy(0x10n, 0x20n, 64), {
      code: 'cuda-failed',
      message: /CUDA_ERROR_700 from cuMemcpyDtoDAsync_v2\(0x10, 0x20, 64, 0x[0-9a-f]+\)/,
    })
  })

  test('running out of memory says what to shrink', () => {
    const { driver, context } = open()
    driver.failures.set('cuMemAlloc_v2', 2)
    assert.throws(() => context.allocate(2 ** 40), { code: 'out-of-memory', message: /memoryFraction/ })
  })

  test('closing gives every handle back, once', () => {
    const { driver, context } = open()
    const stream = context.stream()
    const region = context.allocate(1000)
    context.allocate(2000)
    context.release(region)
    const pinned = context.pin(100)
    context.pin(200)
    context.unpin(pinned)
    const event = context.event()
    context.event(true)
    context.releaseEvent(event)
    stream.launch(LAUNCH, false)
    const graph = stream.capture(() => stream.launch(LAUNCH, true))
    context.onClose(() => graph.close())
    context.close()
    assert.deepEqual(driver.leaks(), [])
  })

  test('a launch carries grid, block, attributes and parameters', () => {
    const { driver, context } = open()
    const stream = context.stream()
    stream.launch({ ...LAUNCH, shared: 100_000, cluster: 4 }, true)
    const [config, kernel, parameters] = driver.named('cuLaunchKernelEx')[0]!.values as bigint[]
    const view = launched(driver, config!)
    const at = (field: keyof typeof LAUNCH_CONFIG.offsets) => view.getInt32(LAUNCH_CONFIG.offsets[field], true)
    assert.deepEqual([at('gridX'), at('gridY'), at('gridZ'), at('blockX'), at('sharedBytes')], [7, 2, 1, 128, 100_000])
    assert.equal(view.getBigUint64(LAUNCH_CONFIG.offsets.stream, true), stream.handle)
    assert.equal(at('attributeCount'), 2)
    const attributes = Number(view.getBigUint64(LAUNCH_CONFIG.offsets.attributes, true) - config!)
    assert.deepEqual([view.getInt32(attributes, true), view.getInt32(attributes + 8, true)], [4, 4])
    assert.deepEqual([view.getInt32(attributes + 72, true), view.getInt32(attributes + 80, true)], [6, 1])
    const pointer = view.getBigUint64(Number(parameters! - config!), true)
    assert.deepEqual(new Uint8Array(view.buffer, Number(pointer - config!), 4), LAUNCH.parameters)
    const raised = driver.named('cuFuncSetAttribute')
    assert.deepEqual(
      raised.map(({ values }) => values),
      [[kernel, 8, 100_000]],
    )
  })

  test('a capture that fails leaves no stream in capture and no graph behind', () => {
    const { driver, context } = open()
    const stream = context.stream()
    assert.throws(
      () =>
        stream.capture(() => {
          throw new Error('planning failed')
        }),
      /planning failed/,
    )
    assert.equal(driver.named('cuStreamEndCapture').length, 1)
    assert.equal(driver.open.get('cuGraphDestroy')?.size, 0)
    context.close()
  })
})

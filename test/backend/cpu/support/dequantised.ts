import { MATRIX } from '../../../../src/backend/cpu/abi.js'
import { planWeights } from '../../../../src/backend/cpu/weight-plan.js'
import type { Program } from '../../../../src/program/program.js'
import type { WeightReader } from '../../../../src/program/weight-source.js'
import { library } from './levels.js'

/** Rows [count, inputs] as a storage type (a wl_storage) keeps them: packed and unpacked again. */
export async function stored(rows: Float32Array, inputs: number, storage: number): Promise<Float32Array> {
  const native = library!
  const record = new Uint8Array(MATRIX.bytes)
  const describe = (data: bigint) => {
    const outputs = rows.length / inputs
    MATRIX.write(new DataView(record.buffer), 0, { data, outputs, inputs, storage, gated: 0 })
    return native.addressOf(record)
  }
  const bytes = native.packedBytes(describe(0n))
  const memory = native.allocate(bytes)
  const matrix = describe(memory)
  await native.pack(matrix, 0, rows.length / inputs, native.addressOf(rows))
  const out = new Float32Array(rows.length)
  native.unpack(matrix, 0, rows.length / inputs, native.addressOf(out))
  native.free(memory, bytes)
  return out
}

/** The weights that the cpu backend computes with when it runs `program`: the reference backend can be given the same. */
export function dequantised(program: Program, reader: WeightReader): WeightReader {
  const matrices = new Map(
    planWeights(program)
      .filter((plan) => plan.kind === 'matrix')
      .map((plan) => [JSON.stringify(plan.buffer.source), plan]),
  )
  return {
    async readRows(source, first, count) {
      const values = await reader.readRows(source, first, count)
      const plan = matrices.get(JSON.stringify(source))
      return plan && count > 0 ? stored(values, plan.inputs, plan.storage) : values
    },
  }
}

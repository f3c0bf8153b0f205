import { MATRIX, ROWS, ROWS_TYPE } from '../../../../src/backend/cpu/abi.js'
import { NativeMemory } from '../../../../src/backend/cpu/native-memory.js'
import { planWeights } from '../../../../src/backend/cpu/weight-plan.js'
import type { Program } from '../../../../src/program/program.js'
import type { WeightReader } from '../../../../src/program/weight-source.js'
import { library } from './levels.js'

/** Rows [count, inputs] as a storage type (a wl_storage) keeps them: packed and unpacked again. */
export async function stored(rows: Float32Array, inputs: number, storage: number): Promise<Float32Array> {
  const native = library!
  const memory = new NativeMemory(native)
  try {
    const outputs = rows.length / inputs
    const place = (struct: typeof MATRIX | typeof ROWS, values: object) => {
      const region = memory.allocate(struct.bytes)
      struct.write(new DataView(region.buffer()), 0, values)
      return region.address
    }
    const shape = { outputs, inputs, storage, gated: 0 }
    const packed = memory.allocate(native.packedBytes(place(MATRIX, { data: 0n, ...shape })))
    const matrix = place(MATRIX, { data: packed.address, ...shape })
    // In native memory, as nothing here keeps a JavaScript array from being collected while native code reads it.
    const given = memory.allocate(rows.byteLength)
    new Float32Array(given.buffer(), 0, rows.length).set(rows)
    const layout = { data: given.address, row_stride: inputs, input_stride: 1, type: ROWS_TYPE.f32 }
    await native.pack(0n, matrix, 0, outputs, place(ROWS, layout))
    native.unpack(matrix, 0, outputs, given.address)
    return new Float32Array(given.buffer(), 0, rows.length).slice()
  } finally {
    memory.close()
  }
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

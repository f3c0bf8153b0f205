import * as naive from '../naive.js'
import { CaseBuilder } from './builder.js'
import type { OperationCase } from './case.js'

interface NormForm {
  readonly norm: 'layer' | 'rms'
  readonly tokens: number
  readonly width: number
  readonly adds?: number
  readonly weight?: boolean
  readonly bias?: boolean
  /** The case reads the sum in place of the normalised rows. */
  readonly readSum?: boolean
  /** Added to every element of x: a mean far from zero. */
  readonly shift?: number
  readonly rows?: boolean
}

export const normCases: OperationCase[] = (['layer', 'rms'] as const).flatMap((norm) => [
  normCase({ norm, tokens: 1, width: 3 }),
  normCase({ norm, tokens: 3, width: 17, weight: true }),
  normCase({ norm, tokens: 17, width: 255, weight: true, bias: true }),
  normCase({ norm, tokens: 5, width: 64, adds: 1, weight: true }),
  normCase({ norm, tokens: 5, width: 64, adds: 1, weight: true, readSum: true }),
  normCase({ norm, tokens: 3, width: 17, adds: 3, weight: true, bias: true }),
  normCase({ norm, tokens: 3, width: 17, adds: 3, weight: true, bias: true, readSum: true }),
  normCase({ norm, tokens: 3, width: 255, weight: true, shift: 512 }),
  normCase({ norm, tokens: 3, width: 17, weight: true, rows: true }),
])

function normCase(form: NormForm): OperationCase {
  const { norm, tokens, width, adds: addCount = 0, readSum = false, shift = 0, rows = false } = form
  const { norm: _, ...shown } = form
  return {
    operation: 'norm',
    name: `${norm} norm ${JSON.stringify(shown)}`,
    // Far from zero the mean itself is only known to float32's rounding of the values.
    bound: shift ? 1e-3 : 2e-6,
    build(storage) {
      const b = new CaseBuilder(storage, [tokens], width)
      const shifted = Float32Array.from(b.random.exact(tokens * width, 127 / 128), (value) => value + shift)
      const x = rows ? b.rowOperand('x', width) : b.operand('x', width, shifted)
      const names = Array.from({ length: addCount }, (_, i) => `add${i}`)
      const adds = names.map((name) => naive.matrix(b.operand(name, width), width))
      const weight = form.weight && b.vector('weight', [width])
      const bias = form.bias && b.vector('bias', [width])
      const height = rows ? 'rows' : 'tokens'
      const epsilon = 1e-5
      b.add({
        kind: 'norm',
        ...{ norm, epsilon, x: 'x', adds: names },
        ...(weight && { weight: 'weight' }),
        ...(bias && { bias: 'bias' }),
        ...(readSum && { sum: b.activation('sum', height, width) }),
        out: b.activation('out', height, width),
      })
      const sums = adds.reduce<naive.Matrix>(
        (sum, add) => naive.elementwise(sum, add, (a, c) => a + c),
        naive.matrix(x, width),
      )
      const options = { norm, epsilon, weight: weight || undefined, bias: bias || undefined }
      const expected = readSum ? sums : sums.map((row) => naive.norm(row, options))
      return rows ? b.finishRows('out', expected.flat()) : b.finish(readSum ? 'sum' : 'out', expected.flat())
    },
  }
}

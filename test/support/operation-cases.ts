/**
 * The test of every backend: each operation as a list of cases, with shapes, expected values and an error bound. A
 * backend passes when `checkCase` does for every case and every storage it offers.
 */
import { attentionCases, copyBlocksCases, qkvCases } from './operation-cases/attention.js'
import type { OperationCase } from './operation-cases/case.js'
import { embedCases } from './operation-cases/embed.js'
import { moeCases } from './operation-cases/moe.js'
import { normCases } from './operation-cases/norm.js'
import { addCases, gatherCases, linearCases, logitsCases } from './operation-cases/rowwise.js'
import { sampleCases } from './operation-cases/sample.js'

export * from './operation-cases/case.js'
export * from './operation-cases/run-case.js'

export const operationCases: readonly OperationCase[] = [
  ...embedCases,
  ...normCases,
  ...linearCases,
  ...addCases,
  ...qkvCases,
  ...attentionCases,
  ...moeCases,
  ...gatherCases,
  ...copyBlocksCases,
  ...logitsCases,
  ...sampleCases,
]

import type { Operation } from '../../program/operation.js'
import type { Program } from '../../program/program.js'
import type { ReadyProduct } from './blas/products.js'
import type { Stream } from './driver/stream.js'
import { HOST_IDS, ID_SOURCES, type InputLayout } from './input-layout.js'
import type { Launch, StepSizes } from './launch/launch.js'
import { resolveIdsLaunches } from './launch/resolve-ids.js'
import type { SamplingPlaces } from './launch/sample.js'
import type { LinearProducts } from './linear-products.js'
import type { PlanPlaces } from './places.js'
import { planOperation, planPair } from './plan-operation.js'

/** One thing that the device does: a kernel of ours or a product of cuBLASLt's. */
export type Work =
  | { readonly launch: Launch; readonly product?: undefined }
  | { readonly product: ReadyProduct; readonly launch?: undefined }

/** All that a step of certain sizes does, in order. */
export interface Plan {
  readonly sizes: StepSizes
  readonly layout: InputLayout
  readonly work: readonly PlannedWork[]
}

export type PlannedWork = Work & {
  /** The program's operation that this is part of; -1 for what comes before the first. */
  readonly operation: number
}

export interface PlanSources {
  readonly program: Program
  readonly places: PlanPlaces
  readonly sampling: SamplingPlaces
  /** Large products; undefined where ours compute all of them. */
  readonly products: LinearProducts | undefined
}

/** A program for steps of certain sizes. */
export function planStep(sources: PlanSources, sizes: StepSizes, layout: InputLayout): Plan {
  const { program, places } = sources
  const { operations } = program
  const work: PlannedWork[] = []
  if (program.buffers.has('ids')) for (const launch of resolveIds(sources, sizes)) work.push({ launch, operation: -1 })
  for (let index = 0; index < operations.length; index++) {
    const operation = operations[index]!
    places.nextOperation()
    if (isIdle(operation, places, sizes)) continue
    const pair = planPair(operation, operations[index + 1], places, sizes)
    const done = pair ?? planOperation(operation, sources, sizes)
    for (const item of done) work.push({ ...item, operation: index })
    if (pair) index++
  }
  return { sizes, layout, work }
}

/** The step's token ids: the host's, or tokens that the step before sampled. */
function resolveIds({ places, sampling }: PlanSources, { tokens }: StepSizes): Launch[] {
  const [sources, hostIds, ids] = [places.input(ID_SOURCES), places.input(HOST_IDS), places.of('ids')]
  return resolveIdsLaunches({ sources, hostIds, ids, previousTokens: sampling.tokens }, tokens)
}

/** Whether there is nothing for it to do: no rows are wanted, no blocks are to be copied. */
function isIdle(operation: Operation, places: PlanPlaces, sizes: StepSizes): boolean {
  switch (operation.kind) {
    case 'copy-blocks':
      return sizes.copies === 0
    case 'sample':
      return sizes.rows === 0
    case 'logits':
    case 'linear':
    case 'norm':
    case 'add':
    case 'gather-rows':
      return places.rowsOf(operation.out, sizes) === 0
    default:
      return false
  }
}

/** Hands the work to the stream; `early` where kernels may be scheduled before the ones before them have ended. */
export function runWork(work: readonly Work[], stream: Stream, early: boolean): void {
  for (const { launch, product } of work) {
    if (launch) stream.launch(launch, early)
    else product.run(stream)
  }
}

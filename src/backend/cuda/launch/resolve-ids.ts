import { struct } from '../../structs.js'
import { HOST_IDS, ID_SOURCES } from '../input-layout.js'
import type { PlanPlaces } from '../places.js'
import { ceilDiv, type Launch, parametersOf, type StepSizes } from './launch.js'
import type { SamplingPlaces } from './sample.js'

export const RESOLVE_IDS_PARAMS = struct({
  host_ids: 'pointer',
  sources: 'pointer',
  previous: 'pointer',
  ids: 'pointer',
  count: 'i32',
})

const THREADS = 256

/** The step's token ids: the host's, or tokens that the step before sampled. */
export function resolveIdsLaunch(places: PlanPlaces, { tokens }: SamplingPlaces, sizes: StepSizes): Launch {
  return {
    module: 'resolve-ids',
    kernel: 'resolve_ids',
    grid: [ceilDiv(sizes.tokens, THREADS), 1, 1],
    threads: THREADS,
    parameters: parametersOf(RESOLVE_IDS_PARAMS, {
      host_ids: places.input(HOST_IDS),
      sources: places.input(ID_SOURCES),
      previous: tokens,
      ids: places.of('ids'),
      count: sizes.tokens,
    }),
  }
}

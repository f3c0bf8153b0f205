import { struct } from '../../structs.js'
import { type Address, ceilDiv, type Launch, parametersOf } from './launch.js'

export const RESOLVE_IDS_PARAMS = struct({
  sources: 'pointer',
  previous_tokens: 'pointer',
  host_ids: 'pointer',
  ids: 'pointer',
  count: 'i32',
})

/** i32 arrays on the device; see native/cuda/resolve-ids.cu. */
export interface IdPlaces {
  /** [tokens]: rows of the previous step, -1 where the host knows the id. */
  readonly sources: Address
  /** What the previous step's `sample` left in `SamplingPlaces.tokens`. */
  readonly previousTokens: Address
  readonly hostIds: Address
  readonly ids: Address
}

const THREADS = 256

export function resolveIdsLaunches(places: IdPlaces, tokens: number): Launch[] {
  if (tokens === 0) return []
  const parameters = parametersOf(RESOLVE_IDS_PARAMS, {
    sources: places.sources,
    previous_tokens: places.previousTokens,
    host_ids: places.hostIds,
    ids: places.ids,
    count: tokens,
  })
  const threads = Math.min(THREADS, ceilDiv(tokens, 32) * 32)
  return [{ module: 'resolve-ids', kernel: 'resolve_ids', grid: [ceilDiv(tokens, threads), 1, 1], threads, parameters }]
}

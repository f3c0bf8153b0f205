import { ceilDiv, type Places, type StepSizes } from './launch.js'

/** How the context of sequences that add one token is split among blocks. */
export interface DecodePlan {
  readonly splits: number
  /** Keys of each split; 0 where the context is shared evenly among the splits. */
  readonly splitKeys: number
  /** By which means splits are joined: there is only one, in a cluster of blocks, or by a second kernel. */
  readonly joins: 'nothing' | 'cluster' | 'kernel'
}

/** MOST_SPLITS of native/cuda/attention/decode.cu. */
const MOST_SPLITS = 128
/** Blocks of a cluster that every device with clusters can run. */
const MOST_OF_A_CLUSTER = 8
const BLOCKS_A_MULTIPROCESSOR = 2
/** Fewer keys are not worth a block of their own. */
const LEAST_KEYS = 64

/**
 * `units`: blocks that one sequence takes without splits. Without `deterministic` the splits follow from the step's sizes so that
 * blocks fill the device about twice; with it from constants alone, so that a row does not depend on what stands beside it.
 */
export function planDecode(units: number, at: Places, sizes: StepSizes): DecodePlan {
  const { architecture, multiprocessors } = at.device
  const hasClusters = architecture >= 90
  if (at.deterministic) {
    if (hasClusters) return { splits: MOST_OF_A_CLUSTER, splitKeys: 0, joins: 'cluster' }
    const splitKeys = Math.max(512, 64 * ceilDiv(at.tableStride * at.blockSize, 64 * MOST_SPLITS))
    const splits = ceilDiv(sizes.longestContext, splitKeys)
    return { splits, splitKeys, joins: splits === 1 ? 'nothing' : 'kernel' }
  }
  const blocks = units * sizes.sequences
  const wanted = Math.floor((BLOCKS_A_MULTIPROCESSOR * multiprocessors) / blocks)
  const splits = Math.min(wanted, ceilDiv(sizes.longestContext, LEAST_KEYS), MOST_SPLITS)
  if (splits <= 1) return { splits: 1, splitKeys: 0, joins: 'nothing' }
  // A cluster joins its blocks without another kernel, but it must not leave half of the device idle.
  const inCluster = Math.min(2 ** Math.floor(Math.log2(splits)), MOST_OF_A_CLUSTER)
  const fills = inCluster >= splits / 2 || blocks * inCluster >= multiprocessors
  if (hasClusters && fills) return { splits: inCluster, splitKeys: 0, joins: 'cluster' }
  return { splits, splitKeys: 0, joins: 'kernel' }
}

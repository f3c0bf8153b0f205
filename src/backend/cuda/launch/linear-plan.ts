import { ceilDiv, type DeviceLimits } from './launch.js'

/**
 * How a product is laid out over the chip. Products with few rows are bound by reading the weight once; the plan must keep
 * enough bytes under way on every multiprocessor, from the first microsecond to the last.
 */
export interface ProductShape {
  /** Rows of x. */
  readonly rows: number
  /** K: columns of x and of the weight. */
  readonly inputs: number
  /** Columns of out. */
  readonly outputs: number
  readonly gated: boolean
}

/** See native/cuda/linear/skinny.cu. */
export interface SkinnyPlan {
  /** Rows of x that a block takes: 8, 16, 32 or 64. */
  readonly tokens: number
  /** Parts of K, by the blocks of a cluster. */
  readonly splits: number
  /** Inputs of a part. */
  readonly slice: number
  /** Clusters that share the weight's rows. */
  readonly groups: number
  /** Inputs of x in shared memory at once. */
  readonly xChunk: number
  /** Stages of the weight to fetch into the second-level cache ahead of the inputs. */
  readonly prefetch: number
  /** Bytes. */
  readonly shared: number
  /** The parts' sums go through device memory: there are no clusters. */
  readonly partial: boolean
}

export const WARPS = 8
const STAGE = 128
const STAGES = 2
/** Tokens whose sums are exchanged at once. */
const PASS = 8
const SPLITS = [1, 2, 4, 8]
/** Before the inputs are there, a block asks for this many stages of each warp's rows: 16 KB a warp, 17 MB over the chip. */
const PREFETCH = 4

/** Rows of the weight in a warp's tile: two tiles for 64 tokens, so that each 16 bytes of x serve twice. */
export function tileRows(tokens: number): number {
  return tokens === 64 ? 32 : 16
}

/** The widest tile of tokens that is of use and fits. */
export function planSkinny(shape: ProductShape, device: DeviceLimits, deterministic: boolean): SkinnyPlan {
  const wanted = [8, 16, 32, 64].find((tokens) => tokens >= shape.rows) ?? 64
  for (let tokens = wanted; ; tokens /= 2) {
    // With `deterministic` the order of a sum must not depend on the number of rows.
    const splits = chooseSplits(shape, deterministic ? 16 : tileRows(tokens), device)
    const slice = ceilDiv(ceilDiv(shape.inputs, STAGE), splits) * STAGE
    const rows = Math.min(shape.rows, tokens)
    const memory = chooseChunk(rows, tokens, Math.min(slice, ceilDiv(shape.inputs, STAGE) * STAGE), device)
    if (!memory && tokens > 8) continue
    if (!memory) throw new RangeError(`${device.sharedPerBlock} bytes of shared memory are too few for a product`)
    const partial = splits > 1 && device.architecture < 90
    const isLone = ceilDiv(shape.rows, tokens) === 1
    return {
      tokens,
      splits,
      slice,
      groups: Math.min(groupsFor(splits, device), tilesOf(shape, tileRows(tokens))),
      ...memory,
      prefetch: device.architecture >= 90 && isLone ? PREFETCH : 0,
      partial,
    }
  }
}

/**
 * Parts of K. The estimate is in inputs of one tile that a multiprocessor must take in: its tiles times its part of K, where
 * fewer than six warps at work do not fill the memory's queue; x, which each block reads, as if of 8 tokens; and the exchange of
 * sums, about half a microsecond within a cluster and several where it takes another kernel.
 */
function chooseSplits(shape: ProductShape, rows: number, device: DeviceLimits): number {
  const blocks = ceilDiv(shape.inputs, STAGE)
  const exchange = device.architecture >= 90 ? 500 : 5000
  let best = { splits: 1, time: Number.POSITIVE_INFINITY }
  for (const splits of SPLITS.filter((count) => count <= blocks)) {
    const slice = ceilDiv(blocks, splits) * STAGE
    const perGroup = ceilDiv(tilesOf(shape, rows), groupsFor(splits, device))
    const rest = perGroup % WARPS
    const tiles = (perGroup - rest + (rest && Math.max(rest, 6))) * (rows / 16)
    const time = (tiles + 0.5) * slice + (splits > 1 ? exchange : 0)
    if (time < best.time) best = { splits, time }
  }
  return best.splits
}

/** Clusters of 4 and 8 do not fill every graphics processing cluster: about 3 % of the multiprocessors stay out. */
function groupsFor(splits: number, { multiprocessors }: DeviceLimits): number {
  const usable = splits > 2 ? Math.floor(multiprocessors * 0.97) : multiprocessors
  return Math.max(1, Math.floor(usable / splits))
}

function tilesOf({ outputs, gated }: ProductShape, rows: number): number {
  return ceilDiv(outputs, gated ? rows / 2 : rows)
}

/**
 * All of x's part where it fits, else two buffers of equal chunks, each of at least as many stages as the ring has. The blocks of two
 * kernels shall fit on a multiprocessor (each block costs 1 KB more), so that the next one fills its ring while this one ends.
 */
function chooseChunk(rows: number, tokens: number, slice: number, { sharedPerBlock }: DeviceLimits) {
  const ring = WARPS * STAGES * tileRows(tokens) * STAGE * 2
  const exchange = 2 * WARPS * PASS * (tileRows(tokens) + 4) * 4
  const perStage = rows * STAGE * 2
  const steps = slice / STAGE
  for (const budget of [(sharedPerBlock + 1024) / 2 - 1024, sharedPerBlock]) {
    const room = Math.floor((budget - ring - exchange) / perStage)
    if (room >= steps) return { xChunk: slice, shared: ring + exchange + steps * perStage }
    const most = Math.floor(room / 2)
    if (most < STAGES) continue
    const chunk = ceilDiv(steps, ceilDiv(steps, most))
    return { xChunk: chunk * STAGE, shared: ring + exchange + 2 * chunk * perStage }
  }
  return undefined
}

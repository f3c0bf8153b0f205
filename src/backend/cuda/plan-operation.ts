import { WarplineError } from '../../errors.js'
import type { Operation } from '../../program/operation.js'
import { addLaunches } from './launch/add.js'
import { attentionLaunches, fusedDecodeLaunches } from './launch/attention.js'
import { copyBlocksLaunches } from './launch/copy-blocks.js'
import { embedLaunches } from './launch/embed.js'
import { gatherRowsLaunches } from './launch/gather-rows.js'
import type { Launch, StepSizes } from './launch/launch.js'
import { linearLaunches, logitsLaunches } from './launch/linear.js'
import { moeLaunches } from './launch/moe.js'
import { normLaunches } from './launch/norm.js'
import { qkvToCacheLaunches } from './launch/qkv-to-cache.js'
import { sampleLaunches } from './launch/sample.js'
import type { PlanPlaces } from './places.js'
import type { PlanSources, Work } from './plan.js'

/** What computes one operation. */
export function planOperation(
  op: Operation,
  { places: at, sampling, products }: PlanSources,
  sizes: StepSizes,
): Work[] {
  switch (op.kind) {
    case 'embed':
      return own(embedLaunches(op, at, sizes))
    case 'norm':
      return own(normLaunches(op, at, sizes))
    case 'linear':
      return products?.linear(op, at, sizes) ?? own(linearLaunches(op, at, sizes))
    case 'logits':
      return products?.logits(op, at, sizes) ?? own(logitsLaunches(op, at, sizes))
    case 'add':
      return own(addLaunches(op, at, sizes))
    case 'qkv-to-cache':
      return own(qkvToCacheLaunches(op, at, sizes))
    case 'attention':
      return own(attentionLaunches(op, at, sizes))
    case 'moe':
      return own(moeLaunches(op, at, sizes))
    case 'gather-rows':
      return own(gatherRowsLaunches(op, at, sizes))
    case 'copy-blocks':
      return own(copyBlocksLaunches(op, at, sizes))
    case 'sample':
      return own(sampleLaunches(op, at, sampling, sizes))
    default:
      throw new WarplineError('program-invalid', `the cuda backend runs on one GPU and has no ${op.kind}`)
  }
}

/** Two consecutive operations in one go, where there is a kernel for both. */
export function planPair(
  op: Operation,
  next: Operation | undefined,
  at: PlanPlaces,
  sizes: StepSizes,
): Work[] | undefined {
  if (op.kind !== 'qkv-to-cache' || next?.kind !== 'attention' || next.q !== op.out) return undefined
  const launches = fusedDecodeLaunches(op, next, at, sizes)
  return launches && own(launches)
}

function own(launches: readonly Launch[]): Work[] {
  return launches.map((launch) => ({ launch }))
}

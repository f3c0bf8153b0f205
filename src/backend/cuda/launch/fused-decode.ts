import type { Attention, QkvToCache } from '../../../program/operation.js'
import { reads } from '../../../program/operation.js'
import { struct } from '../../structs.js'
import { ATTENTION_PARAMS, attentionParameters, decodeLaunches, ROWS, rowBytes, tensorCoreHead } from './attention.js'
import type { Launch, Places, StepSizes } from './launch.js'
import { cacheType, laneGroup, QKV_PARAMS, qkvParameters, vectorOf } from './qkv-to-cache.js'

export const FUSED_DECODE_PARAMS = struct({ qkv: QKV_PARAMS, attention: ATTENTION_PARAMS })

/**
 * Both operations in one kernel, where every sequence adds one token, the attention reads what the other leaves, and nothing else
 * does; undefined where they must be launched one after the other.
 */
export function fusedDecodeLaunches(
  qkv: QkvToCache,
  attention: Attention,
  at: Places,
  sizes: StepSizes,
): Launch[] | undefined {
  if (sizes.longestQuery !== 1 || !belongTogether(qkv, attention, at)) return undefined
  const type = cacheType(attention, at)
  const head = tensorCoreHead(attention, type)
  if (head === undefined || vectorOf(qkv, type, at) !== 8) return undefined
  const decode = decodeLaunches(attention, type, head, attentionParameters(attention, at, sizes), at, sizes)
  const [first, ...rest] = decode.launches
  const shared = first!.shared! - decode.queryBytes + ROWS * rowBytes(head) + 2 * 2 * head
  if (shared > at.device.sharedPerBlock) return undefined
  const parameters = new Uint8Array(FUSED_DECODE_PARAMS.bytes)
  const own = { ...qkvParameters(qkv, at), group: laneGroup(qkv.headDim, 8) }
  FUSED_DECODE_PARAMS.write(new DataView(parameters.buffer), 0, { qkv: own, attention: decode.parameters })
  return [
    { ...first!, module: 'attention/fused-decode', kernel: `fused_decode_${head}_${type}`, shared, parameters },
    ...rest,
  ]
}

function belongTogether(qkv: QkvToCache, attention: Attention, { program }: Places): boolean {
  const sameHeads =
    qkv.heads === attention.heads && qkv.kvHeads === attention.kvHeads && qkv.headDim === attention.headDim
  const sameCaches = qkv.keyCache === attention.keyCache && qkv.valueCache === attention.valueCache
  if (attention.q !== qkv.out || !sameHeads || !sameCaches) return false
  if (program.hidden === qkv.out) return false
  return program.operations.every((op) => op === attention || !reads(op).includes(qkv.out))
}

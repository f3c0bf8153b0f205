import type { Ref } from '../../../program/buffer.js'
import type { CopyBlocks } from '../../../program/operation.js'
import { getBuffer } from '../../../program/program.js'
import { struct } from '../../structs.js'
import { TYPE_BYTES } from '../codes.js'
import { ceilDiv, type Launch, type Places, parametersOf, type StepSizes } from './launch.js'

/** Caches of one launch: their addresses are part of its parameters. */
export const MOST_CACHES = 128

export const COPY_BLOCKS_PARAMS = struct({
  pairs: 'pointer',
  caches: ['pointer', MOST_CACHES],
  block_bytes: 'i64',
  copies: 'i32',
})

const THREADS = 256
const BYTES_A_THREAD = 16

/** All caches whose blocks are equally large in one launch, as far as their addresses fit. */
export function copyBlocksLaunches(op: CopyBlocks, at: Places, sizes: StepSizes): Launch[] {
  if (sizes.copies === 0) return []
  const byBytes = new Map<number, Ref[]>()
  for (const cache of op.caches) {
    const bytes = blockBytes(cache, at)
    byBytes.set(bytes, [...(byBytes.get(bytes) ?? []), cache])
  }
  return [...byBytes].flatMap(([bytes, caches]) =>
    Array.from({ length: ceilDiv(caches.length, MOST_CACHES) }, (_, i) => {
      const some = caches.slice(i * MOST_CACHES, (i + 1) * MOST_CACHES)
      return {
        module: 'copy-blocks',
        kernel: 'copy_blocks',
        grid: [ceilDiv(bytes, THREADS * BYTES_A_THREAD), some.length, 1] as const,
        threads: THREADS,
        parameters: parametersOf(COPY_BLOCKS_PARAMS, {
          pairs: at.of(op.pairs),
          caches: some.map((cache) => at.of(cache)),
          block_bytes: bytes,
          copies: sizes.copies,
        }),
      }
    }),
  )
}

/** A multiple of 32, because a block has at least 16 tokens. */
function blockBytes(cache: Ref, at: Places): number {
  const [, , kvHeads, headDim] = getBuffer(at.program, cache).shape as number[]
  return at.blockSize * kvHeads! * headDim! * TYPE_BYTES[at.typeOf(cache)]
}

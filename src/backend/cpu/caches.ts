import { WarplineError } from '../../errors.js'
import type { Ref } from '../../program/buffer.js'
import type { Program } from '../../program/program.js'
import { CACHE } from './abi.js'
import type { Address } from './library.js'
import { lines, type NativeMemory } from './native-memory.js'
import { cacheStorage } from './storage.js'

/** Elements of a head are padded to this in the cache (native/cpu/kernels/cache.h). */
const PAD = 16
const SMALLEST_BLOCK = 16

export interface Cache {
  readonly address: Address
  readonly blockBytes: number
}

/** The K/V caches of all layers, in the kernels' own layout: it never leaves them. */
export class Caches {
  readonly bytes: number
  private readonly caches = new Map<Ref, Cache>()

  constructor(memory: NativeMemory, program: Program, blocks: number, blockSize: number) {
    const sizes = [...program.buffers.values()]
      .filter(({ kind }) => kind === 'cache')
      .map((buffer) => {
        const [, ownBlock, kvHeads, headDim] = buffer.shape as readonly number[]
        checkBlockSize(buffer.name, ownBlock!, blockSize)
        const width = Math.ceil(headDim! / PAD) * PAD
        return { name: buffer.name, blockBytes: kvHeads! * width * blockSize * CACHE[cacheStorage(buffer)].bytes }
      })
    const region = memory.allocate(sizes.reduce((sum, { blockBytes }) => sum + lines(blocks * blockBytes), 0))
    let offset = 0
    for (const { name, blockBytes } of sizes) {
      this.caches.set(name, { address: region.address + BigInt(offset), blockBytes })
      offset += lines(blocks * blockBytes)
    }
    this.bytes = offset
  }

  get(ref: Ref): Cache {
    return this.caches.get(ref)!
  }
}

function checkBlockSize(name: Ref, own: number, blockSize: number): void {
  if (own !== blockSize) {
    throw new WarplineError('program-invalid', `${name} has blocks of ${own} tokens, the executor ${blockSize}`)
  }
  if (blockSize < SMALLEST_BLOCK || !Number.isInteger(Math.log2(blockSize))) {
    throw new WarplineError(
      'program-invalid',
      `${name} has blocks of ${blockSize} tokens; the cpu backend takes powers of two from ${SMALLEST_BLOCK}`,
    )
  }
}

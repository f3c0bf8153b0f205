import { WarplineError } from '../../errors.js'
import type { Ref } from '../../program/buffer.js'
import type { Program } from '../../program/program.js'
import type { Context } from './driver/context.js'
import type { Address } from './launch/launch.js'
import { aligned, bufferBytes, kernelType } from './storage.js'

const SMALLEST_BLOCK = 16
const LARGEST_BLOCK = 256

/** The K/V caches of all layers, each [blocks, kvHeads, blockSize, headDim], in one allocation. */
export class Caches {
  readonly bytes: number
  private readonly addresses = new Map<Ref, Address>()

  constructor(context: Context, program: Program, blocks: number, blockSize: number) {
    const caches = [...program.buffers.values()].filter(({ kind }) => kind === 'cache')
    for (const buffer of caches) {
      kernelType(buffer)
      checkBlockSize(buffer.name, buffer.shape[1] as number, blockSize)
    }
    const sizes = caches.map((buffer) => aligned(bufferBytes(buffer, { blocks })))
    this.bytes = sizes.reduce((sum, bytes) => sum + bytes, 0)
    let { address } = context.allocate(this.bytes)
    caches.forEach(({ name }, i) => {
      this.addresses.set(name, address)
      address += BigInt(sizes[i]!)
    })
  }

  addressOf(ref: Ref): Address {
    return this.addresses.get(ref)!
  }
}

function checkBlockSize(name: Ref, own: number, blockSize: number): void {
  if (own !== blockSize) {
    throw new WarplineError('program-invalid', `${name} has blocks of ${own} tokens, the executor ${blockSize}`)
  }
  if (blockSize < SMALLEST_BLOCK || blockSize > LARGEST_BLOCK || !Number.isInteger(Math.log2(blockSize))) {
    throw new WarplineError(
      'program-invalid',
      `${name} has blocks of ${blockSize} tokens; the cuda backend takes powers of two from ${SMALLEST_BLOCK} to ${LARGEST_BLOCK}`,
    )
  }
}

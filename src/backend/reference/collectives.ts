import type { Communicator } from '../../parallel/communicator.js'

/** out = sum of every rank's x, in rank order. x, out: one length on all ranks. */
export async function allReduce(group: Communicator, x: Float32Array, out: Float32Array): Promise<void> {
  out.set(await group.allReduce(x))
}

/** out[t] = rank 0's x[t], then rank 1's, ... x: [tokens, width], out: [tokens, ranks * width]. */
export async function allGather(
  group: Communicator,
  x: Float32Array,
  out: Float32Array,
  tokens: number,
  width: number,
): Promise<void> {
  const parts = await group.allGather(x)
  parts.forEach((part, rank) => {
    for (let t = 0; t < tokens; t++) {
      out.set(part.subarray(t * width, (t + 1) * width), (t * group.size + rank) * width)
    }
  })
}

/** Hands x to the same slice of the pipeline stage `to`. */
export async function send(stages: Communicator, x: Float32Array, to: number): Promise<void> {
  await stages.send(to, x)
}

/** out = what the pipeline stage `from` sent; of one length with it. */
export async function receive(stages: Communicator, from: number, out: Float32Array): Promise<void> {
  out.set(await stages.receive(from, out.length))
}

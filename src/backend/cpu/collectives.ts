import type { Communicator } from '../../parallel/communicator.js'
import type { Ref } from '../../program/buffer.js'
import { allGather, allReduce, receive, send } from '../reference/collectives.js'
import type { Collective } from './commands.js'

export interface Ranks {
  readonly tensorGroup: Communicator
  readonly stageGroup: Communicator
}

/** An operation in which ranks meet, on this rank's native memory. `width` is the last dimension of a buffer. */
export function runCollective(
  op: Collective,
  { tensorGroup, stageGroup }: Ranks,
  values: (ref: Ref) => Float32Array,
  width: (ref: Ref) => number,
): Promise<void> {
  switch (op.kind) {
    case 'all-reduce':
      return allReduce(tensorGroup, values(op.x), values(op.out))
    case 'all-gather': {
      const x = values(op.x)
      return allGather(tensorGroup, x, values(op.out), x.length / width(op.x), width(op.x))
    }
    case 'send':
      return send(stageGroup, values(op.x), op.to)
    case 'receive':
      return receive(stageGroup, op.from, values(op.out))
  }
}

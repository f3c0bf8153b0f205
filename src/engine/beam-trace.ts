import type { SampledRow } from '../program/step.js'
import type { TokenLogprob } from './messages.js'
import { topLogprobs } from './token-logprob.js'

interface Branch {
  readonly token: TokenLogprob
  readonly next: Map<number, Branch>
}

/**
 * The model's own log-probabilities of every continuation that a beam search looked at, as a tree: which of its
 * branches are hypotheses turns out only at the end.
 */
export class BeamTrace {
  private readonly root = new Map<number, Branch>()

  /** Adds what a row reported about the continuations of `output`. */
  add(output: Int32Array, row: SampledRow): void {
    let branches: Map<number, Branch> | undefined = this.root
    for (const id of output) branches = branches?.get(id)?.next
    const top = topLogprobs(row)
    row.candidateIds.forEach((id, i) => {
      const logprob = row.candidateRawLogprobs?.[i] ?? Number.NaN
      const token = { id, logprob, rank: row.candidateRanks?.[i] ?? 0, top }
      branches?.set(id, { token, next: new Map() })
    })
  }

  of(output: readonly number[]): TokenLogprob[] {
    let branches = this.root
    return output.map((id) => {
      const branch = branches.get(id)!
      branches = branch.next
      return branch.token
    })
  }
}

import type { Choice } from '../../index.js'
import { choiceCounts, type SamplingFields } from '../schema/sampling.js'

/** Of those that were made (`best_of`), as many as are wanted (`n`): the likeliest by token. */
export function bestChoices(request: SamplingFields, choices: readonly Choice[]): readonly Choice[] {
  const { wanted, made } = choiceCounts(request)
  if (made === wanted) return choices
  const mean = ({ cumulativeLogprob = 0, tokenIds }: Choice) => cumulativeLogprob / Math.max(1, tokenIds.length)
  return [...choices].sort((a, b) => mean(b) - mean(a)).slice(0, wanted)
}

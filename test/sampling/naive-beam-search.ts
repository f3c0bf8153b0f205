import type { BeamSearchOptions } from '../../src/engine/beam-search.js'

/** Log-probabilities of every token after the output so far. */
export type LanguageModel = (output: readonly number[]) => Float32Array

export interface NaiveHypothesis {
  readonly ids: readonly number[]
  readonly score: number
}

/** A place in one of the lists of fixed length that transformers keeps as tensors. */
interface Slot {
  readonly ids: readonly number[]
  readonly score: number
  readonly finished: boolean
}

const NEVER = -1e9

function best<T>(items: readonly T[], count: number, scoreOf: (item: T) => number): T[] {
  return items.toSorted((a, b) => scoreOf(b) - scoreOf(a)).slice(0, count)
}

/**
 * Beam search as the tensors of transformers 5 do it: lists of fixed lengths, beams and hypotheses that do not exist
 * yet have scores of about -1e9, the whole vocabulary is looked at.
 */
export function tensorBeamSearch(model: LanguageModel, options: BeamSearchOptions): NaiveHypothesis[] {
  const { numBeams, lengthPenalty, earlyStopping, eosIds, maxTokens, numReturn } = options
  let running: Slot[] = Array.from({ length: numBeams }, (_, i) => ({ ids: [], score: i && NEVER, finished: false }))
  let ended: Slot[] = running.map(() => ({ ids: [], score: NEVER, finished: false }))
  for (let length = 1; ; length++) {
    const all = running.flatMap(({ ids, score }) =>
      Array.from(model(ids), (logprob, id) => ({ ids: [...ids, id], score: Math.fround(score + logprob) })),
    )
    const top = best(all, Math.max(2, 1 + eosIds.length) * numBeams, ({ score }) => score).map((candidate, place) => {
      const stops = length >= maxTokens || eosIds.includes(candidate.ids.at(-1)!)
      return { ...candidate, stops, finished: stops && place < numBeams }
    })
    running = best(
      top.map((candidate) => ({ ...candidate, score: candidate.score + (candidate.stops ? NEVER : 0) })),
      numBeams,
      ({ score }) => score,
    )
    const scored = top.map((candidate) => ({
      ...candidate,
      score: Math.fround(candidate.score / length ** lengthPenalty) + (candidate.finished ? 0 : NEVER),
    }))
    ended = best([...ended, ...scored], numBeams, ({ score }) => score)

    const hypotheticalLength = earlyStopping === 'never' && lengthPenalty > 0 ? maxTokens : length
    const attainable = Math.fround(running[0]!.score / hypotheticalLength ** lengthPenalty)
    const worst = ended.every(({ finished }) => finished) ? Math.min(...ended.map(({ score }) => score)) : NEVER
    const full = earlyStopping === true && ended.every(({ finished }) => finished)
    if (attainable <= worst || full || top.every(({ stops }) => stops)) return ended.slice(0, numReturn)
  }
}

/** Diverse beam search as the scorer of transformers 4 does it, one group of beams after another. */
export function scorerBeamSearch(model: LanguageModel, options: BeamSearchOptions): NaiveHypothesis[] {
  const { numBeams, numBeamGroups, diversityPenalty, lengthPenalty, earlyStopping, eosIds, maxTokens } = options
  const size = numBeams / numBeamGroups
  const groups = Array.from({ length: numBeamGroups }, () => ({
    beams: [{ ids: [] as number[], sum: 0 }],
    hypotheses: [] as NaiveHypothesis[],
    done: false,
  }))
  const scoreOf = (sum: number, length: number) => Math.fround(sum / length ** lengthPenalty)
  for (let length = 1; length <= maxTokens && groups.some(({ done }) => !done); length++) {
    const chosen: number[] = []
    for (const group of groups) {
      if (group.done) continue
      const add = (ids: number[], sum: number) => {
        group.hypotheses = best([...group.hypotheses, { ids, score: scoreOf(sum, ids.length) }], size, (h) => h.score)
      }
      const all = group.beams.flatMap(({ ids, sum }) =>
        Array.from(model(ids), (logprob, id) => {
          const times = chosen.filter((other) => other === id).length
          return { ids: [...ids, id], sum: Math.fround(Math.fround(logprob - diversityPenalty * times) + sum) }
        }),
      )
      const top = best(all, Math.max(2, 1 + eosIds.length) * size, ({ sum }) => sum)
      const isEnd = ({ ids }: { ids: number[] }) => eosIds.includes(ids.at(-1)!)
      for (const candidate of top.slice(0, size)) if (isEnd(candidate)) add(candidate.ids, candidate.sum)
      group.beams = top.filter((candidate) => !isEnd(candidate)).slice(0, size)
      for (const { ids } of group.beams) chosen.push(ids.at(-1)!)
      if (group.hypotheses.length === size) {
        const hypotheticalLength = earlyStopping === 'never' && lengthPenalty > 0 ? maxTokens : length
        const worst = Math.min(...group.hypotheses.map(({ score }) => score))
        group.done = earlyStopping === true || worst >= scoreOf(top[0]!.sum, hypotheticalLength)
      }
      if (length === maxTokens && !group.done) for (const { ids, sum } of group.beams) add(ids, sum)
    }
  }
  const hypotheses = groups.flatMap((group) => group.hypotheses)
  return best(hypotheses, options.numReturn, ({ score }) => score)
}

import { BeamGroup, type BeamRow, type Hypothesis } from './beam-group.js'

export interface BeamSearchOptions {
  readonly numBeams: number
  /** Divides numBeams. */
  readonly numBeamGroups: number
  readonly diversityPenalty: number
  readonly lengthPenalty: number
  readonly earlyStopping: boolean | 'never'
  readonly eosIds: readonly number[]
  /** Output tokens, end token included. */
  readonly maxTokens: number
  /** At most numBeams. */
  readonly numReturn: number
}

/** The next step's running beams: beam i is beam `parents[i]` of this step followed by `tokens[i]`. */
export interface BeamStep {
  readonly parents: Int32Array
  readonly tokens: Int32Array
  /** No further step is wanted (and the arrays are empty): `finish` has the result. */
  readonly done: boolean
}

/**
 * Beam search over candidates, as transformers 5 does it (`GenerationMixin._beam_search`), on the host:
 *
 * - A step ranks all continuations of all running beams by log-probability. The best `numBeams` without an end token run on.
 * - An end token ends a hypothesis only if its continuation is among the best `numBeams`; at `maxTokens` all running
 *   beams end. The `numBeams` best hypotheses by score are kept.
 * - Once `numBeams` hypotheses have ended, `earlyStopping` decides: `true` stops; `false` stops when the best running
 *   beam, scored at its present length, beats none of them; `'never'` scores it at the length that suits it best
 *   (`maxTokens` if the length penalty is positive).
 *
 * With groups it is diverse beam search (Vijayakumar et al. 2016) as in transformers 4 (`BeamSearchScorer` with
 * `HammingDiversityLogitsProcessor`): each group of `numBeams / numBeamGroups` beams is a search of its own. Within a
 * step groups choose one after another, and a token costs `diversityPenalty` for each beam of an earlier group that
 * chose it in this step; the cost stays in the sum. Two rules differ there: what `earlyStopping` takes for the best
 * running beam is the step's best continuation, even if that one just ended; and running beams do not end at
 * `maxTokens` if `earlyStopping` stops the group in that step. A group that is done chooses nothing (transformers
 * lets it choose the padding token).
 *
 * Unlike transformers, impossible continuations (log-probability -Infinity) are never taken: there may be fewer beams
 * than `numBeams`. A group without any continuation ends its beams as they stand. Ties go to the earlier beam, then to
 * the lower id; among ended hypotheses to the earlier.
 */
export class BeamSearch {
  /** How many candidates each row must bring (fewer only where no more are possible). */
  readonly candidatesNeeded: number
  readonly #groups: readonly BeamGroup[]
  readonly #diversityPenalty: number
  readonly #numReturn: number
  #started = false

  constructor(options: BeamSearchOptions) {
    const { numBeams, numBeamGroups } = options
    const groupOptions = {
      ...options,
      size: numBeams / numBeamGroups,
      eosIds: new Set(options.eosIds),
      diverse: numBeamGroups > 1,
    }
    this.candidatesNeeded = beamCandidates(numBeams, options.eosIds)
    this.#groups = Array.from({ length: numBeamGroups }, () => new BeamGroup(groupOptions))
    this.#diversityPenalty = options.diversityPenalty
    this.#numReturn = options.numReturn
  }

  /** Rows that the next step takes: 1 (the prompt's) at first, then one for each running beam; 0 when done. */
  get width(): number {
    if (!this.#started) return 1
    return this.#groups.reduce((sum, group) => sum + group.width, 0)
  }

  /** Takes the rows of the running beams in their order. */
  step(rows: readonly BeamRow[]): BeamStep {
    if (rows.length !== this.width) throw new Error(`beam search wants ${this.width} rows and got ${rows.length}`)
    const parents: number[] = []
    const tokens: number[] = []
    const timesChosen = new Map<number, number>()
    const penaltyOf = (token: number) => this.#diversityPenalty * (timesChosen.get(token) ?? 0)
    let firstRow = 0
    for (const group of this.#groups) {
      if (group.done) continue
      const width = group.width
      const continuations = group.step(rows.slice(firstRow, firstRow + width), penaltyOf)
      for (const { parent, token } of continuations) {
        timesChosen.set(token, (timesChosen.get(token) ?? 0) + 1)
        if (group.done) continue
        parents.push(firstRow + parent)
        tokens.push(token)
      }
      // The groups' first step shares the prompt's row.
      if (this.#started) firstRow += width
    }
    this.#started = true
    return { parents: Int32Array.from(parents), tokens: Int32Array.from(tokens), done: parents.length === 0 }
  }

  /** The best `numReturn` hypotheses of all groups, best first; fewer only if so few are possible. */
  finish(): Hypothesis[] {
    const hypotheses = this.#groups.flatMap((group) => group.hypotheses())
    return hypotheses.sort((a, b) => b.score - a.score).slice(0, this.#numReturn)
  }
}

/**
 * Candidates that a row must bring so that `numBeams` continuations remain when all end tokens and all tokens that other
 * groups made dear are set aside. (transformers takes max(2, 1 + end tokens) * numBeams; the outcome is the same.)
 */
export function beamCandidates(numBeams: number, eosIds: readonly number[]): number {
  return numBeams + new Set(eosIds).size
}

/** A token and what came before it: beams that share a beginning share its links. */
interface Link {
  readonly token: number
  readonly previous: Link | undefined
}

/** A row's best tokens, best first, with their processed log-probabilities (see `SampledRow`). */
export interface BeamRow {
  readonly candidateIds: Int32Array
  readonly candidateLogprobs: Float32Array
}

/** One way to go on: beam `parent` of the group, followed by `token`. */
export interface Continuation {
  readonly parent: number
  readonly token: number
  /** Sum of the log-probabilities (and penalties) from the prompt's end to this token, in float32. */
  readonly logprob: number
}

export interface Hypothesis {
  /** The output's ids; an end token stands last. */
  readonly ids: readonly number[]
  /** Log-probability / length ** lengthPenalty; the length counts the end token. */
  readonly score: number
  /** Whether an end token ended it, rather than the length. */
  readonly finished: boolean
}

export interface BeamGroupOptions {
  readonly size: number
  readonly lengthPenalty: number
  readonly earlyStopping: boolean | 'never'
  readonly eosIds: ReadonlySet<number>
  readonly maxTokens: number
  /** Whether this is one of several groups: transformers decides their end by slightly other rules. */
  readonly diverse: boolean
}

interface Beam {
  readonly last: Link | undefined
  readonly logprob: number
}

interface Ended extends Beam {
  readonly score: number
  readonly finished: boolean
}

/**
 * `size` beams that compete with each other and a list of the `size` best hypotheses that have ended. It begins with
 * one beam, the prompt, so that no two beams are ever the same.
 */
export class BeamGroup {
  readonly #options: BeamGroupOptions
  #running: readonly Beam[] = [{ last: undefined, logprob: 0 }]
  #ended: Ended[] = []
  #length = 0
  #done = false

  constructor(options: BeamGroupOptions) {
    this.#options = options
  }

  /** Beams whose next token is wanted. */
  get width(): number {
    return this.#done ? 0 : this.#running.length
  }

  get done(): boolean {
    return this.#done
  }

  /** Takes one row a running beam; returns how the group goes on, also in the step that ends it. */
  step(rows: readonly BeamRow[], penaltyOf: (token: number) => number): readonly Continuation[] {
    const { size, eosIds, maxTokens, diverse } = this.#options
    const ranked = rank(rows, this.#running, penaltyOf)
    const beams = this.#running
    if (ranked.length === 0) {
      for (const beam of beams) this.#end(beam, false)
      this.#done = true
      return []
    }
    this.#length++
    const atLimit = this.#length >= maxTokens
    const chosen: Continuation[] = []
    for (const [place, candidate] of ranked.entries()) {
      // Lower places only stand in for ended ones: what ends there is forgotten.
      const mayEnd = place < size
      if (eosIds.has(candidate.token)) {
        if (mayEnd) this.#end(extend(beams, candidate), true)
      } else if (chosen.length < size) {
        chosen.push(candidate)
      }
    }
    this.#running = chosen.map((candidate) => extend(beams, candidate))
    const settled = chosen.length === 0 || this.#isSettled((diverse ? ranked : chosen)[0]!.logprob)
    if (atLimit && !(diverse && settled)) for (const beam of this.#running) this.#end(beam, false)
    this.#done = atLimit || settled
    return chosen
  }

  /** Best first. */
  hypotheses(): Hypothesis[] {
    return this.#ended.map(({ last, score, finished }) => ({ ids: idsOf(last), score, finished }))
  }

  /** Keeps the `size` best; of equals the earlier. */
  #end(beam: Beam, finished: boolean): void {
    const score = this.#score(beam.logprob, this.#length)
    const place = this.#ended.findIndex((other) => other.score < score)
    this.#ended.splice(place < 0 ? this.#ended.length : place, 0, { ...beam, score, finished })
    this.#ended.length = Math.min(this.#ended.length, this.#options.size)
  }

  /** Whether no running beam is expected to beat the worst of a full list of ended ones. */
  #isSettled(bestLogprob: number): boolean {
    const { size, lengthPenalty, earlyStopping, maxTokens } = this.#options
    const worst = this.#ended[size - 1]
    if (worst === undefined) return false
    if (earlyStopping === true) return true
    // `false` is a heuristic: it expects nothing from growing longer, although a positive penalty rewards that.
    const length = earlyStopping === 'never' && lengthPenalty > 0 ? maxTokens : this.#length
    return this.#score(bestLogprob, length) <= worst.score
  }

  #score(logprob: number, length: number): number {
    return Math.fround(logprob / Math.fround(length ** this.#options.lengthPenalty))
  }
}

/** All continuations, best first; of equals the lower beam, then the lower id. Impossible ones are left out. */
function rank(rows: readonly BeamRow[], beams: readonly Beam[], penaltyOf: (token: number) => number): Continuation[] {
  const all: Continuation[] = []
  for (const [parent, { logprob }] of beams.entries()) {
    const { candidateIds, candidateLogprobs } = rows[parent]!
    for (const [i, token] of candidateIds.entries()) {
      const sum = Math.fround(Math.fround(candidateLogprobs[i]! - penaltyOf(token)) + logprob)
      if (sum > -Infinity) all.push({ parent, token, logprob: sum })
    }
  }
  return all.sort((a, b) => b.logprob - a.logprob || a.parent - b.parent || a.token - b.token)
}

function extend(beams: readonly Beam[], { parent, token, logprob }: Continuation): Beam {
  return { last: { token, previous: beams[parent]!.last }, logprob }
}

function idsOf(last: Link | undefined): number[] {
  const ids: number[] = []
  for (let link = last; link !== undefined; link = link.previous) ids.push(link.token)
  return ids.reverse()
}

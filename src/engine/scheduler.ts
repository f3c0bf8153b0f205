import type { BlockManager } from './block-manager.js'
import { invariant } from './invariant.js'
import { Plan } from './plan.js'
import type { Request } from './request.js'
import type { SessionCache } from './session-cache.js'

export interface StepLimits {
  /** Tokens computed in one step. */
  readonly maxTokens: number
  /** Sequences that run side by side; no more than tokens or rows, so that every one of them advances in every step. */
  readonly maxSequences: number
  /** Logit rows of one step. */
  readonly maxRows: number
}

/**
 * Decides what each step computes: one token of every sequence that is past its prompt, then chunks of prompts in the
 * order of arrival, then new requests. Where blocks run out, idle sessions go first and then whoever came last; the
 * oldest request therefore always advances, and nobody starves.
 *
 * A step may be planned while the one before it is under way. Two things then wait until that one has ended: whoever
 * depends on the host for a token that is being chosen (`Sequence.dependsOnHost`), and preemptions, which that step's end
 * may save. Blocks are given back at once all the same, even if a step under way still writes into them (it computes a
 * token behind a stop that nobody foresaw): steps are computed in the order in which they are planned, so that such a
 * write is over before a step begins that was planned after the block was freed; and whoever gets the block writes
 * each place of it before reading it.
 */
export class Scheduler {
  /** Both in order of arrival; everything that runs came before everything that waits. */
  running: Request[] = []
  waiting: Request[] = []
  preemptions = 0

  constructor(
    private readonly limits: StepLimits,
    private readonly blocks: BlockManager,
    private readonly sessions: SessionCache,
  ) {}

  add(request: Request): void {
    this.waiting.push(request)
  }

  /** Forgets requests that have ended. */
  sweep(): void {
    this.running = this.running.filter((request) => !request.output.finished)
    this.waiting = this.waiting.filter((request) => !request.output.finished)
  }

  /** The next step's work; undefined if there is none, or none before the step that is `underWay` has ended. */
  schedule(underWay: boolean): Plan | undefined {
    if (underWay && !this.gainsByHaste()) return undefined
    for (const request of this.running) request.spreadPrompt()
    const committed = this.makeRoom(underWay)
    if (committed === undefined) return undefined
    const plan = new Plan(this.limits.maxTokens, this.limits.maxRows - this.width)
    for (const request of this.running) addDecodes(request, plan)
    for (const request of this.running) addChunks(request, plan)
    this.admit(plan, committed)
    for (const { sequence, first, final } of plan.work) {
      this.blocks.reserve(sequence.table, first, sequence.reach, plan.copies)
      if (final) sequence.expected++
    }
    invariant(underWay || plan.work.length > 0 || this.waiting.length === 0, 'whoever waits alone is admitted')
    return plan.work.length > 0 ? plan : undefined
  }

  /** Sequences that the running requests may come to have. */
  private get width(): number {
    return this.running.reduce((sum, request) => sum + request.decoding.width, 0)
  }

  /**
   * Whether a step beside the one under way takes anybody on. If all that run depend on the host, those whose tokens are
   * being chosen wait and so should the others: they would only take turns from then on, in steps half as full.
   */
  private gainsByHaste(): boolean {
    let someWait = false
    for (const { decoding } of this.running) {
      for (const sequence of decoding.sequences) {
        if (sequence.expected === 0) continue
        if (sequence.pending > 0) return true
        someWait ||= sequence.dependsOnHost
      }
    }
    return !someWait
  }

  /**
   * Frees the blocks that all running sequences need for the tokens at hand, and returns their number; undefined if
   * somebody would have to be preempted while a step is under way. Whatever a step frees it frees here and in `admit`,
   * before it takes the first: so no block is freed and copied to in one step.
   */
  private makeRoom(underWay: boolean): number | undefined {
    for (;;) {
      const demand = this.demand()
      if (demand <= this.blocks.free) return demand
      if (this.sessions.evictOldest()) continue
      if (underWay) return undefined
      this.preemptLatest()
    }
  }

  /** Of the writers of a shared block each needs a copy; where nobody else holds the block, all but the last. */
  private demand(): number {
    const writers = new Map<number, number>()
    let need = 0
    for (const request of this.running) {
      for (const { table, reach, scheduled } of request.ready) {
        need += this.blocks.missing(table, reach)
        const shared = this.blocks.sharedAt(table, scheduled)
        if (shared >= 0) writers.set(shared, (writers.get(shared) ?? 0) + 1)
      }
    }
    for (const [block, count] of writers) need += Math.min(count, this.blocks.references(block) - 1)
    return need
  }

  private preemptLatest(): void {
    invariant(this.running.length > 1, 'a request that was admitted has room when it is alone')
    const request = this.running.pop()!
    request.preempt()
    this.preemptions++
    this.waiting.unshift(request)
  }

  /** Nobody overtakes the first that waits. `committed`: free blocks that running sequences are about to take. */
  private admit(plan: Plan, committed: number): void {
    let taken = committed
    while (this.waiting.length > 0 && plan.tokensLeft > 0) {
      const request = this.waiting[0]!
      const { width } = request.decoding
      if (this.width + width > this.limits.maxSequences || width > plan.rowsLeft) return
      const need = this.blocksToBegin(request)
      while (taken + need + this.headroom > this.blocks.free) {
        if (!this.sessions.evictOldest(request.cachedSession)) return
      }
      taken += need
      this.waiting.shift()
      this.running.push(request)
      request.begin()
      plan.rowsLeft -= width
      addChunks(request, plan)
    }
  }

  /**
   * One more block for everybody who runs, lest a newcomer be sent away again at once; and in case that the last block of
   * its session is still shared with one of them and has to be copied.
   */
  private get headroom(): number {
    return this.running.reduce((sum, request) => sum + request.decoding.sequences.length, 0)
  }

  /** Blocks for all that is known of a waiting request, beside those that its session still holds. */
  private blocksToBegin(request: Request): number {
    const { blocks } = this
    const [lead, ...others] = request.decoding.sequences
    const cached = request.matchSession()
    const own = blocks.blocksFor(lead!.known) - (cached?.length ?? 0)
    const shared = Math.floor(request.prompt.length / blocks.blockSize)
    return others.reduce((sum, { known }) => sum + blocks.blocksFor(known) - shared, own)
  }
}

/** One token of each sequence that lacks no other. */
function addDecodes(request: Request, plan: Plan): void {
  const { decoding, ready } = request
  if (chooseTogether(request) && !decoding.sequences.every((sequence) => sequence.pending === 1)) return
  for (const sequence of ready) if (sequence.pending === 1) plan.add(request, sequence, 1)
}

/** Pieces of what is longer: prompts, and outputs that are computed anew. */
function addChunks(request: Request, plan: Plan): void {
  const waitsForOthers = chooseTogether(request) ? 1 : 0
  for (const sequence of request.ready) plan.add(request, sequence, sequence.pending - waitsForOthers)
}

/** Beams choose in the same step: those that are computed anew stop one token short of it until all are there. */
function chooseTogether({ decoding }: Request): boolean {
  return decoding.lockstep && decoding.started
}

import { WarplineError } from '../errors.js'

/**
 * The ranks of one group. Every rank makes the same collective calls in the same order; each resolves when all have
 * made it. Arrays handed in may be overwritten once the call has resolved; arrays handed out belong to the caller.
 */
export interface Communicator {
  /** 0 .. size - 1 */
  readonly rank: number
  readonly size: number
  /** The ranks' values added in rank order, rounded to float32 after each: the same bits on every rank. */
  allReduce(values: Float32Array): Promise<Float32Array>
  /** Every rank's values, by rank. */
  allGather(values: Float32Array): Promise<readonly Float32Array[]>
  /** Resolves when the values may be overwritten, which need not mean that they were received. */
  send(to: number, values: Float32Array): Promise<void>
  /** The next values that `from` sent to this rank; `length` is how many are expected. */
  receive(from: number, length: number): Promise<Float32Array>
  /** Leaves the group: what others wait for, and whatever they ask for later, rejects with `group-closed`. */
  close(): void
}

/** A group of one. */
export function singleRank(): Communicator {
  return inProcessGroup(1)[0]!
}

/** The ranks of a group that lives in one thread: the model of the others, and the one that tests run on. */
export function inProcessGroup(size: number): Communicator[] {
  const hub = new Hub(size)
  return Array.from({ length: size }, (_, rank) => new InProcessRank(hub, rank))
}

interface Waiter<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
}

/** One collective call on its way: what each rank brought so far. */
interface Round {
  readonly what: string
  readonly values: Float32Array[]
  readonly waiters: Waiter<readonly Float32Array[]>[]
}

class Hub {
  /** Rounds that some ranks have entered and others not, oldest first. */
  private readonly rounds: Round[] = []
  /** Rounds that each rank has entered, and those that all have. */
  private readonly entered: number[]
  private finished = 0
  private readonly mail = new Map<string, Float32Array[]>()
  private readonly readers = new Map<string, Waiter<Float32Array>[]>()
  private closed = false

  constructor(readonly size: number) {
    this.entered = new Array(size).fill(0)
  }

  exchange(rank: number, what: string, values: Float32Array): Promise<readonly Float32Array[]> {
    return new Promise((resolve, reject) => {
      this.checkOpen()
      const index = this.entered[rank]! - this.finished
      this.entered[rank] = this.entered[rank]! + 1
      const round = this.rounds[index] ?? { what, values: [], waiters: [] }
      this.rounds[index] = round
      round.values[rank] = values.slice()
      round.waiters.push({ resolve, reject })
      if (round.what !== what) this.fail(mismatch(rank, what, round.what))
      else if (round.waiters.length === this.size) this.complete(round)
    })
  }

  post(from: number, to: number, values: Float32Array): void {
    this.checkOpen()
    const key = `${from} ${to}`
    const reader = this.readers.get(key)?.shift()
    if (reader) reader.resolve(values.slice())
    else this.mail.set(key, [...(this.mail.get(key) ?? []), values.slice()])
  }

  take(from: number, to: number): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      this.checkOpen()
      const key = `${from} ${to}`
      const values = this.mail.get(key)?.shift()
      if (values) resolve(values)
      else this.readers.set(key, [...(this.readers.get(key) ?? []), { resolve, reject }])
    })
  }

  fail(error: WarplineError): void {
    this.closed = true
    for (const round of this.rounds) for (const waiter of round.waiters) waiter.reject(error)
    for (const readers of this.readers.values()) for (const reader of readers) reader.reject(error)
    this.rounds.length = 0
    this.readers.clear()
    this.mail.clear()
  }

  private complete(round: Round): void {
    this.rounds.shift()
    this.finished++
    for (const waiter of round.waiters) waiter.resolve(round.values)
  }

  private checkOpen(): void {
    if (this.closed) throw groupClosed()
  }
}

class InProcessRank implements Communicator {
  constructor(
    private readonly hub: Hub,
    readonly rank: number,
  ) {}

  get size(): number {
    return this.hub.size
  }

  async allReduce(values: Float32Array): Promise<Float32Array> {
    const parts = await this.hub.exchange(this.rank, `an all-reduce of ${values.length} values`, values)
    const sum = parts[0]!.slice()
    for (const part of parts.slice(1)) for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + part[i]!
    return sum
  }

  async allGather(values: Float32Array): Promise<readonly Float32Array[]> {
    const parts = await this.hub.exchange(this.rank, `an all-gather of ${values.length} values`, values)
    return parts.map((part) => part.slice())
  }

  async send(to: number, values: Float32Array): Promise<void> {
    this.checkPeer(to)
    this.hub.post(this.rank, to, values)
  }

  async receive(from: number, length: number): Promise<Float32Array> {
    this.checkPeer(from)
    const values = await this.hub.take(from, this.rank)
    if (values.length === length) return values
    throw new WarplineError(
      'group-mismatch',
      `rank ${this.rank} expects ${length} values from rank ${from}, which sent ${values.length}`,
    )
  }

  close(): void {
    this.hub.fail(groupClosed())
  }

  private checkPeer(rank: number): void {
    const valid = Number.isInteger(rank) && rank >= 0 && rank < this.size && rank !== this.rank
    if (valid) return
    throw new WarplineError('group-mismatch', `rank ${this.rank} of ${this.size} cannot exchange with rank ${rank}`)
  }
}

function groupClosed(): WarplineError {
  return new WarplineError('group-closed', 'a rank of the group has closed; start all ranks again')
}

function mismatch(rank: number, what: string, others: string): WarplineError {
  return new WarplineError('group-mismatch', `rank ${rank} calls ${what} where others call ${others}`)
}

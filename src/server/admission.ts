import { ApiError } from './http/api-error.js'

/** Weight of the newest request in the running mean of how long requests take. */
const SMOOTHING = 0.1

interface Limits {
  /** Prompts that run at once. */
  readonly running: number
  /** Prompts that may wait. */
  readonly waiting: number
  readonly perKey: number
}

/**
 * Lets requests in until the queue is full. Who is turned away is told when a place is likely to be free: the open prompts
 * over those that run at once, times what one has lately taken.
 */
export class Admission {
  private open = 0
  private readonly openByKey = new Map<string, number>()
  private meanSeconds = 1

  constructor(private readonly limits: Limits) {}

  /** Prompts of open requests. */
  get occupied(): number {
    return this.open
  }

  /** Takes places for so many prompts; the function gives them back, once. A lone request of many prompts always fits. */
  enter(key: string, prompts: number): () => void {
    const { running, waiting, perKey } = this.limits
    if (this.open > 0 && this.open + prompts > running + waiting) {
      throw this.refusal('queue_full', 'the queue is full; try again later')
    }
    const ofKey = this.openByKey.get(key) ?? 0
    if (ofKey > 0 && ofKey + prompts > perKey) {
      throw this.refusal('key_limit', `this key may have ${perKey} prompts open at once; wait for one of them`)
    }
    this.change(key, prompts)
    const entered = performance.now()
    let left = false
    return () => {
      if (left) return
      left = true
      this.change(key, -prompts)
      const seconds = (performance.now() - entered) / 1000
      this.meanSeconds += SMOOTHING * (seconds - this.meanSeconds)
    }
  }

  private change(key: string, by: number): void {
    this.open += by
    const ofKey = (this.openByKey.get(key) ?? 0) + by
    if (ofKey > 0) this.openByKey.set(key, ofKey)
    else this.openByKey.delete(key)
  }

  private refusal(code: string, message: string): ApiError {
    const rounds = this.open / Math.max(1, this.limits.running)
    const seconds = Math.min(60, Math.max(1, Math.ceil(rounds * this.meanSeconds)))
    return new ApiError(429, code, message, { headers: { 'Retry-After': String(seconds) } })
  }
}

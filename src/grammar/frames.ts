import type { Automaton } from './automaton.js'

/**
 * What waits for a part of the automaton to end: where to go on, and what waits behind that. Equal frames are the same
 * object, so that they are compared by identity; `id` is never given twice.
 */
export class Frame {
  /** What has been pushed onto this one. */
  private pushed: Map<number, Frame> | undefined
  private canonical: Frame | undefined

  private constructor(
    readonly id: number,
    readonly parent: Frame | undefined,
    /** Where to go on; of a repetition, after its last time. -1: this is a bottom. */
    readonly node: number,
    /** The repetition and how often its body has ended; -1: a call. */
    readonly repetition: number,
    readonly count: number,
    /** Where the repetition's body begins. */
    readonly body: number,
  ) {}

  static bottom(): Frame {
    return new Frame(nextId++, undefined, -1, -1, 0, -1)
  }

  call(node: number): Frame {
    return this.push(node, -1, 0, -1, node)
  }

  repeat(node: number, repetition: number, count: number, body: number): Frame {
    // Counts are below 2^20; one repetition stands at one edge and has one place to go on.
    return this.push(node, repetition, count, body, -1 - (repetition * 2 ** 21 + count))
  }

  private push(node: number, repetition: number, count: number, body: number, key: number): Frame {
    this.pushed ??= new Map()
    let frame = this.pushed.get(key)
    if (frame === undefined) {
      frame = new Frame(nextId++, this, node, repetition, count, body)
      this.pushed.set(key, frame)
    }
    return frame
  }

  /** Forgets what was pushed, so that it may be collected where nobody holds it. */
  forget(): void {
    this.pushed = undefined
  }

  /**
   * The frame on `bottom` that stands for all that a token of at most `longest` bytes cannot tell from this one: a count is
   * only told where the repetition may begin or have to end within so many bytes, since each time takes at least one.
   */
  simplest(automaton: Automaton, longest: number, bottom: Frame): Frame {
    // Frames lie deep in texts that are nested deep: no recursion.
    const chain: Frame[] = []
    let at: Frame = this
    while (at.parent !== undefined && at.canonical === undefined) {
      chain.push(at)
      at = at.parent
    }
    let simple = at.canonical ?? bottom
    for (const frame of chain.reverse()) {
      simple = frame.repetition < 0 ? simple.call(frame.node) : frame.repeatOn(simple, automaton, longest)
      frame.canonical = simple
    }
    return simple
  }

  private repeatOn(parent: Frame, { least, most, loops, endless }: Automaton, longest: number): Frame {
    const [min, max] = [least[this.repetition]!, most[this.repetition]!]
    if (this.count >= min && max - this.count > longest) return parent.call(loops[this.repetition]!)
    if (min - this.count > longest) return parent.call(endless[this.repetition]!)
    return parent.repeat(this.node, this.repetition, this.count, this.body)
  }
}

let nextId = 0

/** A request's prompt: token ids, of which -1 stands for the next row of the soft prompt given with them. */
export class Prompt {
  readonly ids: Int32Array
  /** For each position, how many soft rows stand before it. */
  private readonly softBefore?: Int32Array

  constructor(
    ids: readonly number[],
    private readonly softRows?: Float32Array,
    private readonly width = 0,
  ) {
    this.ids = Int32Array.from(ids)
    if (!softRows) return
    let count = 0
    this.softBefore = this.ids.map((id) => (id < 0 ? count++ : count))
  }

  get length(): number {
    return this.ids.length
  }

  get hasSoftRows(): boolean {
    return this.softRows !== undefined
  }

  /** The embedding that stands at a position whose id is -1. */
  softRow(position: number): Float32Array {
    const first = this.softBefore![position]! * this.width
    return this.softRows!.subarray(first, first + this.width)
  }

  /** How many tokens this prompt begins with of `tokens`, which themselves begin with the prompt `other`. */
  sharedWith(tokens: Int32Array, other: Prompt): number {
    const most = Math.min(this.length, tokens.length)
    let position = 0
    while (position < most && tokens[position] === this.ids[position] && this.sameSoftRow(position, other)) position++
    return position
  }

  private sameSoftRow(position: number, other: Prompt): boolean {
    if (this.ids[position]! >= 0) return true
    const theirs = other.softRow(position)
    return this.softRow(position).every((value, i) => Object.is(value, theirs[i]))
  }
}

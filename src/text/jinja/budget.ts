/**
 * What one rendering may cost. A template comes with a checkpoint, and a few of its lines can share one list thirty times
 * over or ask for a string's every character in every turn of a loop; so whoever walks or makes values pays here first.
 */
const MAX_STEPS = 5_000_000
const MAX_CHARACTERS = 2 ** 28
/** The longest single text. */
export const MAX_TEXT = 2 ** 26
/** A value that is made costs this much: memory, above all. */
const STEPS_PER_ITEM = 5

interface Budget {
  steps: number
  characters: number
}

/** Rendering is synchronous, so that there is one at a time; one within another, by a caller's function, has its own. */
let current: Budget = { steps: 0, characters: 0 }

export function withBudget<T>(render: () => T): T {
  const outer = current
  current = { steps: 0, characters: 0 }
  try {
    return render()
  } finally {
    current = outer
  }
}

/** Values looked at. */
export function spendSteps(steps: number): void {
  current.steps += steps
  if (!(current.steps <= MAX_STEPS)) throw new Error('the template does not come to an end')
}

/** Values about to be made. */
export function spendItems(items: number): void {
  spendSteps(STEPS_PER_ITEM * items)
}

/** Characters about to be read or written at machine speed. */
export function spendCharacters(characters: number): void {
  current.characters += characters
  if (!(current.characters <= MAX_CHARACTERS)) throw new Error('the template goes through too much text')
}

/** A text about to be made. */
export function spendText(length: number): void {
  if (!(length <= MAX_TEXT)) throw new Error('the template makes too long a text')
  spendCharacters(length)
}

/** A text sought in another: the worst case, in which nearly every place looks like the beginning of a match. */
export function spendSearch(text: string, sought: string): void {
  if (sought.length <= text.length) spendCharacters((text.length - sought.length + 1) * (1 + sought.length / 16))
}

/** The code points of a text, one by one. */
export function explode(text: string): string[] {
  spendSteps(text.length)
  return [...text]
}

export function codePointCount(text: string): number {
  spendCharacters(text.length)
  let count = 0
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00 || !isHigh(text, i - 1)) count++
  return count
}

function isHigh(text: string, at: number): boolean {
  return at >= 0 && (text.charCodeAt(at) & 0xfc00) === 0xd800
}

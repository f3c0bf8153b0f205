import { InvalidArgumentError } from 'commander'

/** Parsers of flags' values. Ranges that depend on the model are the library's to check. */

export function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || Number.isNaN(value)) throw new InvalidArgumentError('give a number')
  return value
}

/** A parser of whole numbers that are at least so large. */
export function wholeFrom(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value
    throw new InvalidArgumentError(`give a whole number from ${least}`)
  }
}

/** Whole numbers from 1, like 1,8. */
export function counts(text: string): number[] {
  const values = text.split(',').map(Number)
  if (values.every((value) => Number.isSafeInteger(value) && value >= 1)) return values
  throw new InvalidArgumentError('give whole numbers from 1, like 1,8')
}

const SEEDS = 2n ** 64n

export function seed(text: string): bigint {
  const value = /^\d+$/.test(text.trim()) ? BigInt(text) : SEEDS
  if (value >= SEEDS) throw new InvalidArgumentError(`give a whole number from 0 to ${SEEDS - 1n}`)
  return value
}

export function ids(text: string): number[] {
  return idList(text) ?? fail('give token ids, like 5,17,3')
}

export function collectIds(text: string, previous: readonly (readonly number[])[] = []): (readonly number[])[] {
  return [...previous, ids(text)]
}

/** Sequences of token ids, like 5,6;7. */
export function idSequences(text: string): number[][] {
  return text.split(';').map((part) => idList(part) ?? fail('give sequences of token ids, like "5,6;7"'))
}

function idList(text: string): number[] | undefined {
  const values = text.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : Number.NaN))
  return values.every(Number.isSafeInteger) ? values : undefined
}

export function bias(text: string): Record<number, number> {
  const pairs = text.split(',').map((part) => /^\s*(\d+)\s*:\s*(\S+)\s*$/.exec(part))
  return Object.fromEntries(
    pairs.map((pair) => {
      const value = Number(pair?.[2])
      return Number.isFinite(value) ? [Number(pair![1]), value] : fail('give pairs, like 50256:-100,11:2.5')
    }),
  )
}

export function collect(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text]
}

export function earlyStopping(text: string): boolean | 'never' {
  if (text === 'never') return text
  if (text === 'true' || text === 'false') return text === 'true'
  return fail('give true, false or never')
}

function fail(advice: string): never {
  throw new InvalidArgumentError(advice)
}

/**
 * What schemas, regular expressions and grammars have in common: a language of texts, built of characters. `Rules` name parts
 * that may stand in several places or within themselves.
 */
export type Expression =
  /** One character of these ranges of code points, both ends included; surrogates are never among them. */
  | { readonly kind: 'class'; readonly ranges: readonly Range[] }
  /** Exactly this text. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly kind: 'choice'; readonly options: readonly Expression[] }
  /** `max` may be Infinity. */
  | { readonly kind: 'repeat'; readonly body: Expression; readonly min: number; readonly max: number }
  | { readonly kind: 'rule'; readonly name: string }
  /** A control token, which has no text. */
  | { readonly kind: 'token'; readonly id: number }
  /** Any text up to and including the first occurrence of `end`, a text without characters beyond ASCII. */
  | { readonly kind: 'until'; readonly end: string }

export type Range = readonly [number, number]

/** A language: the texts of `root`. */
export interface Grammar {
  readonly root: Expression
  readonly rules: ReadonlyMap<string, Expression>
}

export const MAX_CODE_POINT = 0x10ffff

export const EMPTY: Expression = { kind: 'sequence', parts: [] }
/** No text at all. */
export const NOTHING: Expression = { kind: 'choice', options: [] }

export function text(value: string): Expression {
  return { kind: 'text', text: value }
}

export function sequence(...parts: readonly Expression[]): Expression {
  return parts.length === 1 ? parts[0]! : { kind: 'sequence', parts }
}

export function choice(...options: readonly Expression[]): Expression {
  return options.length === 1 ? options[0]! : { kind: 'choice', options }
}

export function repeat(body: Expression, min: number, max = Number.POSITIVE_INFINITY): Expression {
  return { kind: 'repeat', body, min, max }
}

export function optional(body: Expression): Expression {
  return choice(body, EMPTY)
}

export function rule(name: string): Expression {
  return { kind: 'rule', name }
}

/** A class of single characters and spans: `'09'` is a span, `'_'` one character. */
export function characters(...spans: readonly string[]): Expression {
  return {
    kind: 'class',
    ranges: spans.map((span) => {
      const codes = [...span].map((character) => character.codePointAt(0)!)
      return [codes[0]!, codes.at(-1)!] as const
    }),
  }
}

/** Sorted, without overlaps. */
export function normalizeRanges(ranges: readonly Range[]): Range[] {
  const sorted = ranges.filter(([low, high]) => low <= high).sort((a, b) => a[0] - b[0])
  const joined: [number, number][] = []
  for (const [low, high] of sorted) {
    const last = joined.at(-1)
    if (last && low <= last[1] + 1) last[1] = Math.max(last[1], high)
    else joined.push([low, high])
  }
  return joined
}

/** All code points but these. */
export function complementRanges(ranges: readonly Range[]): Range[] {
  const gaps: Range[] = []
  let next = 0
  for (const [low, high] of normalizeRanges(ranges)) {
    if (next < low) gaps.push([next, low - 1])
    next = high + 1
  }
  if (next <= MAX_CODE_POINT) gaps.push([next, MAX_CODE_POINT])
  return gaps
}

export function intersectRanges(a: readonly Range[], b: readonly Range[]): Range[] {
  return complementRanges([...complementRanges(a), ...complementRanges(b)])
}

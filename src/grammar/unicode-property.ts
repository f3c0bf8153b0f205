import { MAX_CODE_POINT, type Range } from './expression.js'

const known = new Map<string, readonly Range[] | undefined>()
const MOST_KNOWN = 64

/** The code points with a property, as Node's Unicode tables have it; undefined where there is none of that name. */
export function unicodeProperty(name: string): readonly Range[] | undefined {
  if (known.has(name)) return known.get(name)
  const ranges = find(name)
  if (known.size >= MOST_KNOWN) known.clear()
  known.set(name, ranges)
  return ranges
}

function find(name: string): readonly Range[] | undefined {
  let property: RegExp
  try {
    property = new RegExp(`\\p{${name}}`, 'u')
  } catch {
    return undefined
  }
  const ranges: Range[] = []
  let start = -1
  for (let code = 0; code <= MAX_CODE_POINT + 1; code++) {
    const has = code <= MAX_CODE_POINT && property.test(String.fromCodePoint(code))
    if (has && start < 0) start = code
    if (!has && start >= 0) {
      ranges.push([start, code - 1])
      start = -1
    }
  }
  return ranges
}

/**
 * Escapes in a template's string literals, as Python reads them: a line may go on after a backslash, and a backslash before a
 * letter without meaning stands for itself. The library knows only the common ones and stops at the rest; so these are
 * rewritten to what it knows.
 */
const KNOWN = new Set([...'ntrbfvxu\'"\\'])

export function rewriteEscapes(source: string): string {
  let result = ''
  let at = 0
  while (at < source.length) {
    const opening = source.startsWith('{{', at) || source.startsWith('{%', at)
    if (source.startsWith('{#', at)) {
      const end = source.indexOf('#}', at + 2)
      const next = end < 0 ? source.length : end + 2
      result += source.slice(at, next)
      at = next
    } else if (opening) {
      const [code, next] = rewriteCode(source, at)
      result += code
      at = next
    } else {
      result += source[at++]
    }
  }
  return result
}

/** Rewrites one `{{ ... }}` or `{% ... %}` that begins at `start`; gives it and where it ends. */
function rewriteCode(source: string, start: number): [string, number] {
  const closing = source[start + 1] === '{' ? '}}' : '%}'
  let result = source.slice(start, start + 2)
  let quote = ''
  let at = start + 2
  while (at < source.length) {
    const character = source[at]!
    if (quote === '' && source.startsWith(closing, at)) return [result + closing, at + 2]
    if (quote !== '' && character === '\\') {
      const [text, length] = rewriteEscape(source.slice(at, at + 10))
      result += text
      at += length
      continue
    }
    if (quote === '' && (character === "'" || character === '"')) quote = character
    else if (character === quote) quote = ''
    result += character
    at++
  }
  return [result, at]
}

/** `text` begins with a backslash; gives what to write for the escape, and its length. */
function rewriteEscape(text: string): [string, number] {
  const next = text[1] ?? ''
  if (next === '\n') return ['', 2]
  if (text.startsWith('\\\r\n')) return ['', 3]
  if (KNOWN.has(next)) return [text.slice(0, 2), 2]
  if (next === 'a') return ['\\x07', 2]
  const octal = /^\\([0-7]{1,3})/.exec(text)
  if (octal) return [`\\u${Number.parseInt(octal[1]!, 8).toString(16).padStart(4, '0')}`, octal[0].length]
  const long = /^\\U([0-9A-Fa-f]{8})/.exec(text)
  if (long) {
    const code = Number.parseInt(long[1]!, 16)
    return code <= 0x10ffff ? [String.fromCodePoint(code), 10] : ['\\\\U', 2]
  }
  return [`\\\\${next}`, 1 + next.length]
}

import type { Sink } from './decoders.js'

/** `text.replaceAll(sought, content)` of a text that comes in parts: holds back an end that may begin `sought`. */
export function replaceStream(sought: string, content: string, next: Sink): Sink {
  let held = ''
  return {
    push: (part) => {
      const pieces = (held + part).split(sought)
      const rest = pieces.pop()!
      const keep = longestPrefixAtEnd(rest, sought)
      held = rest.slice(rest.length - keep)
      next.push([...pieces, rest.slice(0, rest.length - keep)].join(content))
    },
    finish: () => {
      next.push(held)
      next.finish()
    },
  }
}

function longestPrefixAtEnd(text: string, sought: string): number {
  for (let length = Math.min(text.length, sought.length - 1); length > 0; length--) {
    if (text.endsWith(sought.slice(0, length))) return length
  }
  return 0
}

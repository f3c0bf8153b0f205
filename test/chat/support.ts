import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { OutputEvent, OutputReader } from '../../src/chat/index.js'

export interface Read {
  readonly content: string
  readonly reasoning: string
  readonly calls: readonly { readonly name: string; readonly arguments: string; readonly ended: boolean }[]
}

/** What a reader makes of a text that comes in these pieces. */
export function read(reader: OutputReader, pieces: readonly string[]): Read {
  const events = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.finish()]
  return collect(events)
}

function collect(events: readonly OutputEvent[]): Read {
  let content = ''
  let reasoning = ''
  const calls: { name: string; arguments: string; ended: boolean }[] = []
  for (const event of events) {
    if (event.kind === 'content') content += event.text
    else if (event.kind === 'reasoning') reasoning += event.text
    else if (event.kind === 'call') calls.push({ name: event.name, arguments: '', ended: false })
    else if (event.kind === 'arguments') calls.at(-1)!.arguments += event.text
    else calls.at(-1)!.ended = true
  }
  return { content, reasoning, calls }
}

/** However the text is cut into pieces, the same is read. Returns it. */
export function readAnyhow(make: () => OutputReader, text: string): Read {
  const whole = read(make(), [text])
  assert.deepEqual(read(make(), [...text]), whole, 'character by character')
  for (let cut = 1; cut < text.length; cut++) {
    assert.deepEqual(read(make(), [text.slice(0, cut), text.slice(cut)]), whole, `cut at ${cut}`)
  }
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 8 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), text.length]
      const pieces = places.slice(1).map((end, i) => text.slice(places[i], end))
      assert.deepEqual(read(make(), pieces), whole)
    }),
    { numRuns: 30 },
  )
  return whole
}

export function call(name: string, text: string, ended = true) {
  return { name, arguments: text, ended }
}

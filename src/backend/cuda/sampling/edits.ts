import type { SamplingRow } from '../../../program/step.js'
import { banBadWords, banRepeatedNgrams, banTokens, type LogitsById } from '../../reference/sampling/bans.js'
import { EDIT_FLAGS } from './records.js'

/**
 * The tokens whose logits a row's penalties, biases and bans change, each once, with what the device needs to change them:
 * which tokens are touched is decided here, by the reference's rules; their logits never leave the device.
 */
export class EditList {
  /** [length] each */
  ids = new Int32Array(256)
  /** 4 * occurrences in the output + flags. */
  counts = new Int32Array(256)
  biases = new Float32Array(256)
  length = 0
  /** Place in the list plus one by token id, 0 for tokens that are not in it. */
  private readonly places: Int32Array

  constructor(vocabulary: number) {
    this.places = new Int32Array(vocabulary)
  }

  /** Replaces what the list held by the edits of `row`. */
  collect(row: SamplingRow): void {
    this.clear()
    const { history, promptLength, repetitionPenalty, presencePenalty, frequencyPenalty } = row
    if (repetitionPenalty !== 1) {
      for (let i = 0; i < history.length; i++) this.mark(history[i]!, EDIT_FLAGS.inHistory)
    }
    if (presencePenalty !== 0 || frequencyPenalty !== 0) {
      for (let i = promptLength; i < history.length; i++) {
        const place = this.placeOf(history[i]!)
        if (place >= 0) this.counts[place]! += 4
      }
    }
    for (let i = 0; i < row.biasIds.length; i++) {
      const place = this.placeOf(row.biasIds[i]!)
      if (place >= 0) this.biases[place]! += row.biasValues[i]!
    }
    if (row.banned.length === 0 && row.badWords.length === 0 && row.noRepeatNgram === 0) return
    const banned: LogitsById = {}
    banBadWords(banned, row)
    banRepeatedNgrams(banned, row)
    banTokens(banned, row)
    for (const id in banned) this.mark(Number(id), EDIT_FLAGS.banned)
  }

  private clear(): void {
    for (let i = 0; i < this.length; i++) this.places[this.ids[i]!] = 0
    this.length = 0
  }

  private mark(id: number, flag: number): void {
    const place = this.placeOf(id)
    if (place >= 0) this.counts[place]! |= flag
  }

  /** Makes room for a token; -1 for a soft prompt's row, which is no token. */
  private placeOf(id: number): number {
    if (!(id >= 0 && id < this.places.length)) return -1
    const known = this.places[id]!
    if (known > 0) return known - 1
    const place = this.length++
    if (place === this.ids.length) this.grow()
    this.places[id] = place + 1
    this.ids[place] = id
    this.counts[place] = 0
    this.biases[place] = 0
    return place
  }

  private grow(): void {
    const grown = { ids: new Int32Array(2 * this.ids.length), counts: new Int32Array(2 * this.ids.length) }
    grown.ids.set(this.ids)
    grown.counts.set(this.counts)
    const biases = new Float32Array(2 * this.ids.length)
    biases.set(this.biases)
    Object.assign(this, grown, { biases })
  }
}

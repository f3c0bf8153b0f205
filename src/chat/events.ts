/** What an assistant's text turns out to be, piece by piece. How the text was cut into pieces changes nothing but the pieces. */
export type OutputEvent =
  | { readonly kind: 'content'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  /** A call begins: its name is known. */
  | { readonly kind: 'call'; readonly name: string }
  /** More of the last call's arguments, which are JSON unless the model erred or was cut off. */
  | { readonly kind: 'arguments'; readonly text: string }
  /** The last call has ended as its format demands. */
  | { readonly kind: 'call-end' }

/** Reads a text as it comes. */
export interface OutputReader {
  push(text: string): OutputEvent[]
  /** What was held back, when the text has ended. */
  finish(): OutputEvent[]
}

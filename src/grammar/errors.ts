import { WarplineError } from '../errors.js'

export function tooComplex(what: string): WarplineError {
  return new WarplineError('grammar-too-complex', `${what}; simplify the schema, regular expression or grammar`)
}

export function invalidGrammar(what: string): WarplineError {
  return new WarplineError('grammar-invalid', what)
}

export function unsupportedGrammar(what: string): WarplineError {
  return new WarplineError('grammar-unsupported', what)
}

/** A piece of the user's text in a message. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

export type { Automaton } from './automaton.js'
export { compileGrammar } from './compile.js'
export { parseGrammar } from './ebnf.js'
export { invalidGrammar, tooComplex } from './errors.js'
export {
  characters,
  choice,
  type Expression,
  type Grammar,
  optional,
  repeat,
  rule,
  sequence,
  text,
} from './expression.js'
export { ANY_OBJECT, anyValueRules } from './json/any-value.js'
export { anyObjectGrammar, schemaExpression, schemaGrammar } from './json/compile-schema.js'
export { GRAMMAR_LIMITS } from './limits.js'
export { Matcher, type MatchState } from './matcher.js'
export { ANY_CHARACTER, parseRegularExpression } from './regular-expression.js'
export { buildVocabulary, type Vocabulary } from './vocabulary.js'

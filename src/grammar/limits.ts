/** What a schema, expression or grammar from outside may cost. Far above what people write; a hostile one must not stop the rest. */
export const GRAMMAR_LIMITS = {
  /** Characters of a regular expression. */
  patternLength: 8192,
  /** Characters of a grammar, or of all choices together. */
  grammarLength: 2 ** 17,
  /** Characters of a schema, written as JSON. */
  schemaLength: 2 ** 18,
  /** Groups in groups, schemas in schemas. */
  depth: 64,
  /** Largest finite count of a repetition. */
  repetitions: 2 ** 20,
  /** Nodes of an automaton. */
  nodes: 2 ** 17,
  edges: 2 ** 19,
  /** Places at which a text may stand in the automaton at once. */
  configurations: 2 ** 11,
  /** Nodes of the vocabulary's tree visited for one mask; tens of milliseconds. */
  maskWork: 2 ** 22,
  /** Automata that an engine keeps ready. */
  cachedGrammars: 32,
  /** Masks that each of them keeps. */
  cachedMasks: 256,
} as const

/** The library's options under the names that requests give them. */
const FIELDS: Readonly<Record<string, string>> = {
  maxTokens: 'max_tokens',
  minTokens: 'min_tokens',
  ignoreEos: 'ignore_eos',
  temperature: 'temperature',
  topK: 'top_k',
  topP: 'top_p',
  minP: 'min_p',
  repetitionPenalty: 'repetition_penalty',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  noRepeatNgramSize: 'no_repeat_ngram_size',
  logitBias: 'logit_bias',
  stop: 'stop',
  stopIds: 'stop_token_ids',
  stopTokenIds: 'stop_token_ids',
  includeStop: 'include_stop_str_in_output',
  badWords: 'bad_words',
  badWordsIds: 'bad_words_ids',
  seed: 'seed',
  n: 'n',
  numBeams: 'best_of',
  numReturn: 'n',
  lengthPenalty: 'length_penalty',
  earlyStopping: 'early_stopping',
  logprobs: 'logprobs',
  promptLogprobs: 'prompt_logprobs',
  skipSpecialTokens: 'skip_special_tokens',
  addSpecialTokens: 'add_special_tokens',
  addGenerationPrompt: 'add_generation_prompt',
  templateVariables: 'chat_template_kwargs',
  tools: 'tools',
  toolChoice: 'tool_choice',
  parallelToolCalls: 'parallel_tool_calls',
  responseFormat: 'response_format',
  guidedJson: 'guided_json',
  guidedRegex: 'guided_regex',
  guidedChoice: 'guided_choice',
  guidedGrammar: 'guided_grammar',
  priority: 'priority',
  documents: 'documents',
}

const NAMES = Object.keys(FIELDS)
const COMPOUND = NAMES.filter((name) => name !== name.toLowerCase())
const ANYWHERE = new RegExp(`(?<![\\w/.-])(${COMPOUND.join('|')})(?!\\w)`, 'g')
/** Names that are English words too mean the option only where a message begins with what it is about. */
const AT_START = new RegExp(`^(${NAMES.join('|')})(?=:? )`)
const NO_OPTION = new RegExp(`^there is no option (${NAMES.join('|')})\\b.*$`)

/** The field that a message of the library is about, if it begins with one. */
export function fieldOf(message: string): string | undefined {
  const name = AT_START.exec(message)?.[1] ?? NO_OPTION.exec(message)?.[1]
  return name && FIELDS[name]
}

/** The library's messages name its options; whoever sent a request knows them as fields. */
export function inFields(message: string): string {
  return message
    .replace(NO_OPTION, (_, name: string) => `${FIELDS[name]} is not offered by this server; leave it out`)
    .replace(/, or pass truncate: ['‘](left|right)['’]/g, '')
    .replace(AT_START, (name) => FIELDS[name]!)
    .replace(ANYWHERE, (name) => FIELDS[name]!)
}

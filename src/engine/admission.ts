import { WarplineError } from '../errors.js'
import type { EngineRequest } from './messages.js'

/** What a request must fit into. */
export interface Capacity {
  readonly blocks: number
  readonly blockSize: number
  /** Tokens that a sequence may hold, prompt and output together. */
  readonly contextLength: number
  readonly vocabulary: number
  /** Values in a row of a soft prompt. */
  readonly embeddingWidth: number
  readonly maxSequences: number
}

/**
 * Refuses what could never be computed, before it starts. Returns the output tokens that a choice may have: `maxTokens`
 * or what the context leaves of it.
 * Errors: `prompt-empty`, `context-too-long`, `cache-too-small`, `too-many-choices`, `token-out-of-range`,
 * `soft-prompt-invalid`, `parameter-invalid`.
 */
export function admit(request: EngineRequest, capacity: Capacity): number {
  checkPrompt(request, capacity)
  checkChoices(request, capacity)
  const length = request.prompt.length
  const { contextLength } = capacity
  if (length > contextLength) {
    const advice = 'shorten it, or have it truncated'
    throw new WarplineError(
      'context-too-long',
      `the prompt has ${length} tokens and the model holds ${contextLength}; ${advice}`,
    )
  }
  const { maxTokens } = request.parameters
  if (length === contextLength && maxTokens > 0) {
    throw new WarplineError(
      'context-too-long',
      `the prompt has ${length} tokens and the model holds ${contextLength}, which leaves no room for output; shorten it`,
    )
  }
  const outputTokens = Math.min(maxTokens, contextLength - length)
  checkCache(request, outputTokens, capacity)
  return outputTokens
}

function checkPrompt({ prompt, softRows }: EngineRequest, { vocabulary, embeddingWidth }: Capacity): void {
  if (prompt.length === 0) throw new WarplineError('prompt-empty', 'the prompt has no tokens; give it at least one')
  let soft = 0
  for (const id of prompt) {
    if (id === -1) soft++
    else if (!(Number.isInteger(id) && id >= 0 && id < vocabulary)) {
      throw new WarplineError(
        'token-out-of-range',
        `the prompt holds the token id ${id}; the model knows 0 to ${vocabulary - 1}`,
      )
    }
  }
  const values = softRows?.length ?? 0
  if (values !== soft * embeddingWidth) {
    throw new WarplineError(
      'soft-prompt-invalid',
      `the prompt holds the id -1 ${soft} times and ${values} soft-prompt values; each takes a row of ${embeddingWidth}`,
    )
  }
}

function checkChoices({ parameters }: EngineRequest, { maxSequences }: Capacity): void {
  const { n, numBeams, maxTokens } = parameters
  for (const [name, value, least] of [
    ['maxTokens', maxTokens, 0],
    ['n', n, 1],
    ['numBeams', numBeams, 1],
  ] as const) {
    if (!(Number.isInteger(value) && value >= least)) {
      throw new WarplineError('parameter-invalid', `${name} is ${value}; it must be an integer of at least ${least}`)
    }
  }
  if (n > 1 && numBeams > 1) {
    throw new WarplineError('parameter-invalid', 'n and numBeams are both above 1; beams return numReturn choices')
  }
  const width = Math.max(n, numBeams)
  if (width > maxSequences) {
    throw new WarplineError(
      'too-many-choices',
      `${width} samples or beams run side by side, and this engine runs ${maxSequences} sequences; ask for fewer`,
    )
  }
}

/** Samples and beams share the prompt's full blocks and may differ in all others. The last token is never cached. */
function checkCache({ prompt, parameters }: EngineRequest, outputTokens: number, capacity: Capacity): void {
  const { blocks, blockSize } = capacity
  const shared = Math.floor(prompt.length / blockSize)
  const own = Math.ceil((prompt.length + Math.max(0, outputTokens - 1)) / blockSize) - shared
  const width = outputTokens > 1 ? Math.max(parameters.n, parameters.numBeams) : 1
  const needed = shared + width * own
  if (needed <= blocks) return
  const many = width > 1 ? `${width} sequences of ` : ''
  throw new WarplineError(
    'cache-too-small',
    `${many}${prompt.length} prompt and ${outputTokens} output tokens need ${needed} cache blocks of ${blockSize} tokens, ` +
      `and there are ${blocks}; lower maxTokens, shorten the prompt or give the cache more memory`,
  )
}

import assert from 'node:assert/strict'
import type { Executor } from '../../../src/backend/executor.js'
import { Engine, type EngineOptions } from '../../../src/engine/engine.js'
import type {
  EngineCommand,
  EngineEvent,
  EngineRequest,
  EngineUsage,
  FailureEvent,
  PromptEvent,
  TokenLogprob,
} from '../../../src/engine/messages.js'
import { DEFAULT_SAMPLING, type SamplingParameters } from '../../../src/engine/sampling-parameters.js'
import { OverwrittenInputs } from '../../support/overwritten-inputs.js'
import { AheadExecutor } from './ahead-executor.js'
import { FakeExecutor } from './fake-executor.js'

export interface ChoiceOutcome {
  readonly ids: number[]
  readonly logprobs: TokenLogprob[]
  cumulativeLogprob?: number
  reason?: string
  stopId?: number
  score?: number
}

/** Everything that was heard about a request. */
export interface Outcome {
  readonly choices: ChoiceOutcome[]
  prompt?: PromptEvent
  usage?: EngineUsage
  failure?: FailureEvent
  events: EngineEvent[]
}

export type RequestSketch = Partial<Omit<EngineRequest, 'parameters'>> & {
  readonly parameters?: Partial<SamplingParameters>
}

export const FAKE_SHAPE = {
  blocks: 64,
  blockSize: 4,
  contextLength: 64,
  maxTokens: 32,
  maxSequences: 8,
  maxRows: 32,
  vocabulary: 23,
  embeddingWidth: 3,
}

export function fakeEngine(options: Partial<EngineOptions> = {}) {
  const shape = { ...FAKE_SHAPE, ...options }
  const executor = new FakeExecutor(shape)
  return { executor, ...harness(executor, shape) }
}

/** The same on an executor that runs ahead; `delays` says how late it computes its steps. */
export function aheadEngine(options: Partial<EngineOptions> = {}, delays?: readonly number[]) {
  const shape = { ...FAKE_SHAPE, ...options }
  const executor = new FakeExecutor(shape)
  const ahead = new AheadExecutor(executor, delays)
  return { executor, ahead, ...harness(new OverwrittenInputs(ahead), shape) }
}

export type Harness = ReturnType<typeof harness>

/** An engine and a client that files its events by request. */
export function harness(executor: Executor, options: EngineOptions) {
  const engine = new Engine(executor, options)
  const outcomes = new Map<string, Outcome>()
  const waiting = new Map<string, () => void>()
  let count = 0
  engine.onEvent((event) => {
    const outcome = outcomes.get(event.id)!
    record(outcome, event)
    if (event.type === 'failure' || (event.type === 'finish' && event.last)) waiting.get(event.id)?.()
  })
  /** Posts a request at once; `done` waits for its last event. */
  function start(sketch: RequestSketch): { id: string; outcome: Outcome; done: Promise<Outcome> } {
    const id = sketch.id ?? `request ${count++}`
    const outcome: Outcome = { choices: [], events: [] }
    outcomes.set(id, outcome)
    const done = new Promise<Outcome>((resolve) => waiting.set(id, () => resolve(outcome)))
    const parameters = { ...DEFAULT_SAMPLING, ...sketch.parameters }
    engine.post({ type: 'add', request: { prompt: [1], ...sketch, parameters, id } })
    return { id, outcome, done }
  }
  return {
    engine,
    post: (command: EngineCommand) => engine.post(command),
    start,
    run: (sketch: RequestSketch): Promise<Outcome> => start(sketch).done,
    /** Every block is free once sessions are given up, and nothing is left. */
    assertIdle(sessions = 0): void {
      const stats = engine.stats()
      assert.deepEqual([stats.running, stats.waiting, stats.sessions], [0, 0, sessions])
      if (sessions === 0) assert.equal(stats.freeBlocks, stats.blocks)
    },
  }
}

function record(outcome: Outcome, event: EngineEvent): void {
  assert(!outcome.failure && outcome.events.every((old) => old.type !== 'finish' || !old.last), 'silence after the end')
  outcome.events.push(event)
  if (event.type === 'failure') outcome.failure = event
  else if (event.type === 'prompt') {
    assert.equal(outcome.prompt, undefined, 'a prompt is reported once')
    outcome.prompt = event
  } else {
    outcome.choices[event.index] ??= { ids: [], logprobs: [] }
    const choice = outcome.choices[event.index]!
    assert.equal(choice.reason, undefined, 'nothing is heard of a choice after its end')
    if (event.type === 'tokens') {
      choice.ids.push(...event.ids)
      choice.logprobs.push(...(event.logprobs ?? []))
      if (event.cumulativeLogprob !== undefined) choice.cumulativeLogprob = event.cumulativeLogprob
    } else {
      choice.reason = event.reason
      if (event.stopId !== undefined) choice.stopId = event.stopId
      if (event.score !== undefined) choice.score = event.score
      outcome.usage = event.usage
    }
  }
}

/** What must not depend on circumstances. */
export function answer({ choices, prompt, failure }: Outcome) {
  return { choices, prompt: prompt && { ...prompt, id: '' }, failure: failure && { ...failure, id: '' } }
}

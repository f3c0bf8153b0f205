import type { Context } from 'hono'
import type { Generation, Part, Result } from '../../index.js'
import { type Call, readerStalled } from '../call.js'
import type { Environment } from '../environment.js'
import { ApiError, toApiError } from '../http/api-error.js'
import { EVENT_STREAM_HEADERS, event, eventStream } from '../http/event-stream.js'
import type { ServedCall, Service } from '../service.js'

/** Characters of events that are joined before they are sent, where the reader is behind. */
const MOST_JOINED = 65_536

/** How an API words an answer. */
export interface Answer {
  whole(results: readonly Result[]): object
  part(part: Part): readonly object[]
  /** After the last part. */
  end(results: readonly Result[]): readonly object[]
  /** What a stream ends with. */
  readonly last?: string
  failure(error: ApiError): object
}

type Running = Generation<Result> | Generation<Result[]>

/**
 * Answers with a generation, whole or streamed. The request holds its place until the engine is done with it, whether or not
 * anybody still reads.
 */
export async function respond(
  c: Context<Environment>,
  service: Service,
  { call, end }: ServedCall,
  start: () => Running,
  answer: Answer,
  stream: boolean,
): Promise<Response> {
  const generation = begin(start, end)
  service.metrics.watch(generation)
  const results = account(c, service, call, generation).finally(end)
  results.catch(() => {})
  if (!stream) {
    for await (const part of generation.stream()) stopIfCancelled(part, call)
    return c.json(answer.whole(await results))
  }
  const body = await eventStream(events(generation, results, call, answer), {
    ...service.settings,
    overflows: () => generation.queued > service.settings.maxQueuedParts,
    onStall: () => {
      call.cancel(readerStalled())
      c.env?.outgoing?.destroy()
    },
    onCancel: () => call.cancel(new ApiError(400, 'client_closed_request', 'the client left')),
    failure: (error) => {
      const told = call.reason ?? toApiError(error)
      if (told.status >= 500) service.log.error({ err: error, requestId: c.get('requestId') }, 'a stream failed')
      return event(answer.failure(told))
    },
  })
  return c.body(body, 200, EVENT_STREAM_HEADERS)
}

function begin(start: () => Running, end: () => void): Running {
  try {
    return start()
  } catch (error) {
    end()
    throw error
  }
}

/** The results, once they are there: counted, and noted for the log and the trace. */
async function account(
  c: Context<Environment>,
  service: Service,
  call: Call,
  generation: Running,
): Promise<readonly Result[]> {
  try {
    const whole = await generation
    const results = Array.isArray(whole) ? whole : [whole]
    for (const result of results) service.metrics.result(result)
    note(c, service, results)
    return results
  } catch (error) {
    service.metrics.failure((call.reason ?? toApiError(error)).code)
    throw error
  }
}

function note(c: Context<Environment>, { modelName }: Service, results: readonly Result[]): void {
  const sum = (of: (result: Result) => number) => results.reduce((total, result) => total + of(result), 0)
  const inputTokens = sum(({ usage }) => usage.promptTokens)
  const outputTokens = sum(({ usage }) => usage.completionTokens)
  const finishReasons = results.flatMap(({ choices }) => choices.map(({ finishReason }) => finishReason))
  const { timeToFirstTokenMs, queuedMs, totalMs } = results[0]!.timing
  Object.assign(c.get('notes'), {
    promptTokens: inputTokens,
    completionTokens: outputTokens,
    cachedTokens: sum(({ usage }) => usage.cachedTokens),
    finishReason: [...new Set(finishReasons)].join(),
    queuedMs: Math.round(queuedMs),
    firstTokenMs: Math.round(timeToFirstTokenMs),
    generationMs: Math.round(totalMs),
  })
  c.get('span').generation({ model: modelName, inputTokens, outputTokens, finishReasons, timeToFirstTokenMs, queuedMs })
}

async function* events(
  generation: Running,
  results: Promise<readonly Result[]>,
  call: Call,
  answer: Answer,
): AsyncGenerator<string> {
  let text = ''
  for await (const part of generation.stream()) {
    stopIfCancelled(part, call)
    for (const each of answer.part(part)) text += event(each)
    if (text && (generation.queued === 0 || text.length > MOST_JOINED)) {
      yield text
      text = ''
    }
  }
  for (const each of answer.end(await results)) text += event(each)
  if (answer.last) text += event(answer.last)
  if (text) yield text
}

/** What was ended early is an error to whoever waits for it, with the reason for it. */
function stopIfCancelled({ finishReason }: Part, call: Call): void {
  if (finishReason === 'cancelled') throw call.reason ?? new ApiError(503, 'cancelled', 'the request was cancelled')
}

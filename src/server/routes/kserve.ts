import type { Context, Hono } from 'hono'
import type { GenerateOptions, Part, Result } from '../../index.js'
import type { Environment } from '../environment.js'
import { ApiError, invalid } from '../http/api-error.js'
import { readBody } from '../http/json-body.js'
import { type KserveRequest, kserveSchema } from '../schema/kserve.js'
import type { Service } from '../service.js'
import { VERSION } from '../version.js'
import { type Answer, respond } from './respond.js'

const MODEL_VERSION = '1'
/** The generate extension's default, as the model servers of Triton have it. */
const MAX_TOKENS = 16

/** KServe's v2 protocol with its generate extension: what clients of Triton Inference Server call. */
export function kserveRoutes(app: Hono<Environment>, service: Service): void {
  const { settings } = service
  const limits = { ...settings, ...settings.limits }
  const schema = kserveSchema(settings.limits)
  const ready = (c: Context<Environment>) => {
    const isReady = service.unready === undefined
    return c.json({ ready: isReady }, isReady ? 200 : 503)
  }
  app.get('/v2', (c) => c.json({ name: 'warpline', version: VERSION, extensions: ['generate'] }))
  app.get('/v2/health/live', (c) => c.json({ live: true }))
  app.get('/v2/health/ready', ready)
  for (const base of ['/v2/models/:name', '/v2/models/:name/versions/:version'] as const) {
    app.get(base, (c) => {
      checkModel(c, service)
      const tensor = (name: string) => ({ name, datatype: 'BYTES', shape: [1] })
      const { modelName: name } = service
      const platform = 'warpline'
      const inputs = [tensor('text_input')]
      return c.json({ name, versions: [MODEL_VERSION], platform, inputs, outputs: [tensor('text_output')] })
    })
    app.get(`${base}/ready`, (c) => {
      checkModel(c, service)
      return ready(c)
    })
    app.post(`${base}/generate`, (c) => generate(c, false))
    app.post(`${base}/generate_stream`, (c) => generate(c, true))
  }

  async function generate(c: Context<Environment>, stream: boolean): Promise<Response> {
    checkModel(c, service)
    const request = await readBody(c, schema, limits)
    const parameters = merged(request)
    if (parameters.stream !== undefined && parameters.stream !== stream) {
      throw invalid(
        'stream',
        `stream is ${parameters.stream}: call generate for whole answers, generate_stream for streams`,
      )
    }
    const options = generateOptions(parameters)
    const served = service.begin(c.get('key'), 1, c.req.raw.signal, undefined)
    const start = () => service.llm.generate([request.text_input], { ...options, signal: served.call.signal })
    return respond(c, service, served, start, new KserveAnswer(service, request.id, parameters.details), stream)
  }
}

function checkModel(c: Context<Environment>, service: Service): void {
  service.checkModel(c.req.param('name'))
  const version = c.req.param('version')
  if (version === undefined || version === MODEL_VERSION) return
  throw new ApiError(
    404,
    'model_not_found',
    `there is no version ${version.slice(0, 40)}; this server has ${MODEL_VERSION}`,
  )
}

type Parameters = NonNullable<KserveRequest['parameters']>

/** Beside `text_input` or within `parameters`; in both, the latter count. */
function merged({ id: _, text_input, parameters, exclude_input_in_output, ...beside }: KserveRequest): Parameters {
  return { ...beside, ...parameters }
}

function generateOptions(p: Parameters): GenerateOptions {
  const stop = p.stop ?? p.stop_words
  const seed = p.seed ?? p.random_seed
  const beams = p.beam_width !== undefined && p.beam_width > 1
  return {
    maxTokens: p.max_tokens ?? MAX_TOKENS,
    minTokens: p.min_tokens,
    temperature: p.temperature,
    topK: p.top_k === -1 ? 0 : p.top_k,
    topP: p.top_p,
    minP: p.min_p,
    repetitionPenalty: p.repetition_penalty,
    presencePenalty: p.presence_penalty,
    frequencyPenalty: p.frequency_penalty,
    seed: seed === undefined ? undefined : BigInt.asUintN(64, BigInt(seed)),
    stop,
    badWords: typeof p.bad_words === 'string' ? [p.bad_words] : p.bad_words,
    ignoreEos: p.ignore_eos,
    ...(beams && { numBeams: p.beam_width, lengthPenalty: p.length_penalty }),
    ...(p.details && { logprobs: 0 }),
  }
}

class KserveAnswer implements Answer {
  constructor(
    private readonly service: Service,
    private readonly id: string | undefined,
    private readonly details: boolean | undefined,
  ) {}

  whole([result]: readonly Result[]): object {
    const { text, finishReason, logprobs } = result!.choices[0]!
    const details = {
      finish_reason: finishReason,
      logprobs: logprobs?.map(({ tokenId, token, logprob }) => ({ id: tokenId, text: token, logprob })),
    }
    return this.output(text, details)
  }

  part({ text, finishReason, logprobs }: Part): readonly object[] {
    if (!text && !finishReason && !this.details) return []
    const details = {
      finish_reason: finishReason ?? null,
      logprobs: logprobs?.map(({ tokenId, token, logprob }) => ({ id: tokenId, text: token, logprob })),
    }
    return [this.output(text, details)]
  }

  end(): readonly object[] {
    return []
  }

  failure(error: ApiError): object {
    return { error: error.message }
  }

  private output(text: string, details: object): object {
    return {
      ...(this.id !== undefined && { id: this.id }),
      model_name: this.service.modelName,
      model_version: MODEL_VERSION,
      text_output: text,
      ...(this.details && { details }),
    }
  }
}

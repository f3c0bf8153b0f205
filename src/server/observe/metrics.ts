import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Generation, LLM, Part, Result } from '../../index.js'

const LATENCY = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80]
const TOKEN_TIME = [0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2.5]
const REQUEST_TIME = [0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480]
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000]

/**
 * Prometheus metrics. Those that mean what vLLM's mean have its names, so that its dashboards show them; the server's own
 * begin with `warpline:`. All carry `model_name`.
 */
export class Metrics {
  private readonly registry = new Registry()
  private readonly histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers: [this.registry] })
  private readonly counter = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
    new Counter({ name, help, labelNames, registers: [this.registry] })

  private readonly firstToken = this.histogram(
    'vllm:time_to_first_token_seconds',
    'From request to first token',
    LATENCY,
  )
  private readonly betweenTokens = this.histogram('vllm:inter_token_latency_seconds', 'Between two tokens', TOKEN_TIME)
  private readonly perToken = this.histogram(
    'vllm:request_time_per_output_token_seconds',
    "A request's mean time for a token after the first",
    TOKEN_TIME,
  )
  private readonly whole = this.histogram(
    'vllm:e2e_request_latency_seconds',
    'From request to last token',
    REQUEST_TIME,
  )
  private readonly queued = this.histogram('vllm:request_queue_time_seconds', 'Before the first step', REQUEST_TIME)
  private readonly prompt = this.histogram(
    'vllm:request_prefill_time_seconds',
    'From first step to first token',
    REQUEST_TIME,
  )
  private readonly decode = this.histogram('vllm:request_decode_time_seconds', 'From first to last token', REQUEST_TIME)
  private readonly promptLength = this.histogram('vllm:request_prompt_tokens', 'Tokens of a prompt', TOKENS)
  private readonly outputLength = this.histogram('vllm:request_generation_tokens', 'Tokens of an answer', TOKENS)
  private readonly promptTokens = this.counter('vllm:prompt_tokens_total', 'Tokens of prompts')
  private readonly outputTokens = this.counter('vllm:generation_tokens_total', 'Tokens of answers')
  private readonly cacheQueries = this.counter(
    'vllm:prefix_cache_queries_total',
    'Prompt tokens looked up in the cache',
  )
  private readonly cacheHits = this.counter('vllm:prefix_cache_hits_total', 'Prompt tokens found in the cache')
  private readonly succeeded = this.counter('vllm:request_success_total', 'Answered prompts', ['finished_reason'])
  private readonly failed = this.counter('warpline:request_failures_total', 'Prompts that ended in an error', ['code'])
  private readonly answered = this.counter('warpline:http_requests_total', 'Requests', ['route', 'status'])

  constructor(llm: LLM, modelName: string, occupied: () => number) {
    this.registry.setDefaultLabels({ model_name: modelName })
    collectDefaultMetrics({ register: this.registry })
    this.gauge('vllm:num_requests_running', 'Requests whose tokens are being computed', () => llm.stats().running)
    this.gauge('vllm:num_requests_waiting', 'Requests that wait for the engine', () => llm.stats().waiting)
    const cacheUse = () => {
      const { blocks, freeBlocks } = llm.stats()
      return blocks > 0 ? (blocks - freeBlocks) / blocks : 0
    }
    this.gauge('vllm:kv_cache_usage_perc', 'Share of the K/V cache in use; 1 is all', cacheUse)
    this.gauge('vllm:gpu_cache_usage_perc', 'The same, under its older name', cacheUse)
    this.total('vllm:num_preemptions_total', 'Requests sent back to wait', () => llm.stats().preemptions)
    this.total('warpline:engine_steps_total', 'Steps of the engine', () => llm.stats().steps)
    this.total('warpline:engine_tokens_total', 'Tokens computed, of prompts and answers', () => llm.stats().tokens)
    this.total('warpline:engine_restarts_total', 'Times the engine was started again', () => llm.stats().restarts ?? 0)
    this.gauge('warpline:open_prompts', 'Prompts of open requests', occupied)
  }

  /** In Prometheus' text format. */
  text(): Promise<string> {
    return this.registry.metrics()
  }

  get contentType(): string {
    return this.registry.contentType
  }

  request(route: string, status: number): void {
    this.answered.inc({ route, status: String(status) })
  }

  failure(code: string): void {
    this.failed.inc({ code })
  }

  /** Clocks a generation's tokens as the engine tells of them. */
  watch(generation: Generation<Result> | Generation<Result[]>): void {
    const last = new Map<number, number>()
    generation.onPart = ({ prompt, index, tokenIds }: Part) => {
      if (tokenIds.length === 0) return
      const now = performance.now()
      const line = prompt * 4096 + index
      const before = last.get(line)
      last.set(line, now)
      if (before !== undefined) this.betweenTokens.observe((now - before) / 1000)
    }
  }

  /** What a prompt came to. */
  result({ usage, timing, choices }: Result): void {
    const { promptTokens, completionTokens, cachedTokens } = usage
    const { queuedMs, timeToFirstTokenMs, totalMs } = timing
    this.promptTokens.inc(promptTokens)
    this.outputTokens.inc(completionTokens)
    this.cacheQueries.inc(promptTokens)
    this.cacheHits.inc(cachedTokens)
    this.promptLength.observe(promptTokens)
    this.outputLength.observe(completionTokens)
    this.whole.observe(totalMs / 1000)
    this.queued.observe(queuedMs / 1000)
    this.prompt.observe(Math.max(0, timeToFirstTokenMs - queuedMs) / 1000)
    this.succeeded.inc({ finished_reason: finishedReason(choices[0]!.finishReason) })
    if (completionTokens === 0) return
    const decodeSeconds = (totalMs - timeToFirstTokenMs) / 1000
    this.firstToken.observe(timeToFirstTokenMs / 1000)
    this.decode.observe(decodeSeconds)
    const after = completionTokens / choices.length - 1
    if (after > 0) this.perToken.observe(decodeSeconds / after)
  }

  private gauge(name: string, help: string, read: () => number): void {
    const registers = [this.registry]
    new Gauge({ name, help, registers, collect: collectWith(read) })
  }

  /** A counter that somebody else keeps. */
  private total(name: string, help: string, read: () => number): void {
    const collect = function (this: Counter) {
      this.reset()
      this.inc(read())
    }
    new Counter({ name, help, registers: [this.registry], collect })
  }
}

function collectWith(read: () => number) {
  return function (this: Gauge) {
    this.set(read())
  }
}

/** vLLM's word for it. */
function finishedReason(reason: string): string {
  return reason === 'cancelled' ? 'abort' : reason
}

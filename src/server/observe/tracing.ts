import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'

/**
 * A request as a span, with the names of OpenTelemetry's conventions for HTTP and generative AI. Where the program that runs
 * the server has set up no OpenTelemetry SDK, this does nothing.
 */
export class RequestSpan {
  private readonly span: Span

  constructor(method: string, path: string, headers: Readonly<Record<string, string>>) {
    const parent = propagation.extract(context.active(), headers)
    this.span = trace.getTracer('warpline').startSpan(
      `${method} ${path}`,
      {
        kind: SpanKind.SERVER,
        attributes: { 'http.request.method': method, 'url.path': path },
      },
      parent,
    )
  }

  generation(attributes: {
    readonly model: string
    readonly inputTokens: number
    readonly outputTokens: number
    readonly finishReasons: readonly string[]
    readonly timeToFirstTokenMs: number
    readonly queuedMs: number
  }): void {
    this.span.setAttributes({
      'gen_ai.system': 'warpline',
      'gen_ai.request.model': attributes.model,
      'gen_ai.usage.input_tokens': attributes.inputTokens,
      'gen_ai.usage.output_tokens': attributes.outputTokens,
      'gen_ai.response.finish_reasons': [...attributes.finishReasons],
      'gen_ai.latency.time_to_first_token': attributes.timeToFirstTokenMs / 1000,
      'gen_ai.latency.time_in_queue': attributes.queuedMs / 1000,
    })
  }

  end(status: number): void {
    this.span.setAttribute('http.response.status_code', status)
    if (status >= 500) this.span.setStatus({ code: SpanStatusCode.ERROR })
    this.span.end()
  }
}

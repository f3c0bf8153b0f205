import { randomUUID } from 'node:crypto'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import { matchedRoutes } from 'hono/route'
import type { Environment } from './environment.js'
import { ApiError, toApiError } from './http/api-error.js'
import { secureHeaders } from './http/headers.js'
import { hostCheck } from './http/hosts.js'
import { ANONYMOUS } from './http/keys.js'
import { RequestSpan } from './observe/tracing.js'
import { chatRoutes } from './routes/chat.js'
import { completionRoutes } from './routes/completions.js'
import { embeddingRoutes } from './routes/embeddings.js'
import { healthRoutes, metricsRoutes } from './routes/health.js'
import { kserveRoutes } from './routes/kserve.js'
import { modelRoutes } from './routes/models.js'
import { playgroundRoutes } from './routes/playground.js'
import { tokenRoutes } from './routes/tokens.js'
import type { Service } from './service.js'

/** The server's routes, from requests to answers; `listen.ts` puts them on a socket. */
export function createApp(service: Service): Hono<Environment> {
  const { settings } = service
  const app = new Hono<Environment>()
  app.onError((error, c) => failure(c, service, error))
  app.notFound((c) => failure(c, service, notFound(c)))
  app.use(observed(service), secureHeaders(), knownHost(service))
  if (settings.corsOrigins.length > 0) {
    const origin = settings.corsOrigins.includes('*') ? '*' : [...settings.corsOrigins]
    app.use(cors({ origin, exposeHeaders: ['x-request-id', 'retry-after'], maxAge: 600 }))
  }
  healthRoutes(app, service)
  if (settings.playground) playgroundRoutes(app)
  app.use(authorized(service))
  completionRoutes(app, service)
  chatRoutes(app, service)
  embeddingRoutes(app, service)
  modelRoutes(app, service)
  tokenRoutes(app, service)
  metricsRoutes(app, service)
  kserveRoutes(app, service)
  return app
}

/** Gives the request an id, and tells log, metrics and trace of it once it is answered to the end. */
function observed({ log, metrics }: Service): MiddlewareHandler<Environment> {
  return async (c, next) => {
    const started = performance.now()
    const { method, path } = c.req
    const requestId = acceptableId(c.req.header('x-request-id')) ?? randomUUID()
    const span = new RequestSpan(method, path, traceHeaders(c))
    c.set('requestId', requestId)
    c.set('notes', {})
    c.set('key', ANONYMOUS)
    c.set('span', span)
    c.header('X-Request-Id', requestId)
    let done = false
    const finish = () => {
      if (done) return
      done = true
      const { status } = c.res
      const ms = Math.round(performance.now() - started)
      const complete = c.env?.outgoing?.writableFinished !== false
      metrics.request(routeOf(c), status)
      span.end(status)
      const line = { requestId, method, path: shown(path), status, ms, key: c.get('key'), ...c.get('notes') }
      log.info(complete ? line : { ...line, aborted: true }, 'request')
    }
    const outgoing = c.env?.outgoing
    outgoing?.once('close', finish)
    await next()
    if (!outgoing) finish()
  }
}

function knownHost({ settings }: Service): MiddlewareHandler<Environment> {
  const known = hostCheck(settings.host, settings.allowedHosts)
  return async (c, next) => {
    const host = c.req.header('host') ?? new URL(c.req.url).host
    if (!known(host)) {
      throw new ApiError(
        403,
        'host_not_allowed',
        'this server does not answer to that host name; allow it with --allowed-host',
      )
    }
    await next()
  }
}

/** Everything that was not answered before this needs a key, where there are any. */
function authorized({ keys }: Service): MiddlewareHandler<Environment> {
  return async (c, next) => {
    // Probes of KServe v2 are open, like the others.
    if (!c.req.path.startsWith('/v2/health/')) c.set('key', keys.check(c.req.header('authorization')))
    await next()
  }
}

function failure(c: Context<Environment>, { log }: Service, error: unknown): Response {
  const told = toApiError(error)
  if (told.status >= 500 && told.status !== 503) {
    log.error({ err: told.cause ?? told, requestId: c.get('requestId') }, 'a request failed')
  }
  for (const [name, value] of Object.entries(told.headers)) c.header(name, value)
  return c.json(c.req.path.startsWith('/v2') ? { error: told.message } : told.body(), told.status)
}

function notFound(c: Context): ApiError {
  const { method, path } = c.req
  return new ApiError(404, 'not_found', `there is nothing at ${method} ${shown(path)}`)
}

/** Only the pattern: paths are the caller's, and metrics must not grow with them. */
function routeOf(c: Context): string {
  return matchedRoutes(c).findLast(({ path }) => !path.includes('*'))?.path ?? 'other'
}

function shown(path: string): string {
  return path.length > 200 ? `${path.slice(0, 200)}...` : path
}

function acceptableId(id: string | undefined): string | undefined {
  return id && /^[\w.:-]{1,128}$/.test(id) ? id : undefined
}

function traceHeaders(c: Context): Record<string, string> {
  const names = ['traceparent', 'tracestate', 'baggage']
  return Object.fromEntries(names.flatMap((name) => (c.req.header(name) ? [[name, c.req.header(name)!]] : [])))
}

import type { Hono } from 'hono'
import type { Environment } from '../environment.js'
import type { Service } from '../service.js'
import { VERSION } from '../version.js'

/** Probes: `/health` says that the process works, `/ready` that it takes requests. Open to everybody, like the version. */
export function healthRoutes(app: Hono<Environment>, service: Service): void {
  app.get('/health', (c) => c.json({ status: 'ok' }))
  app.get('/ready', (c) => {
    const why = service.unready
    return why ? c.json({ status: 'unavailable', reason: why }, 503) : c.json({ status: 'ok' })
  })
  app.get('/version', (c) => c.json({ version: VERSION }))
}

export function metricsRoutes(app: Hono<Environment>, { metrics }: Service): void {
  app.get('/metrics', async (c) => c.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType }))
}

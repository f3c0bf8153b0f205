import type { Hono } from 'hono'
import type { Environment } from '../environment.js'
import type { Service } from '../service.js'

export function modelRoutes(app: Hono<Environment>, service: Service): void {
  const { llm, settings, startedAt } = service
  const describe = (id: string) => ({
    id,
    object: 'model',
    created: startedAt,
    owned_by: 'warpline',
    root: service.modelName,
    parent: null,
    max_model_len: llm.info.contextLength,
  })
  app.get('/v1/models', (c) => c.json({ object: 'list', data: settings.modelNames.map(describe) }))
  // Names of hub models hold a slash.
  app.get('/v1/models/:name{.+}', (c) => {
    const name = c.req.param('name')
    service.checkModel(name)
    return c.json(describe(name))
  })
}

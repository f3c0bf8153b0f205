import { readFileSync } from 'node:fs'
import type { Hono } from 'hono'
import type { Environment } from '../environment.js'
import { pageHeaders } from '../http/headers.js'

/** The page's files, by the paths that they are served under: no other path leads to a file. */
const FILES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/playground/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/playground/main.js': ['main.js', 'text/javascript; charset=utf-8'],
  '/playground/api.js': ['api.js', 'text/javascript; charset=utf-8'],
  '/playground/chart.js': ['chart.js', 'text/javascript; charset=utf-8'],
  '/playground/transcript.js': ['transcript.js', 'text/javascript; charset=utf-8'],
  '/favicon.svg': ['favicon.svg', 'image/svg+xml'],
} as const satisfies Record<string, readonly [file: string, type: string]>

/** The page at `/`, read once. */
export function playgroundRoutes(app: Hono<Environment>): void {
  for (const [path, [file, type]] of Object.entries(FILES)) {
    const content = readFileSync(new URL(`../../../playground/${file}`, import.meta.url))
    app.get(path, (c) => {
      pageHeaders(c)
      return c.body(content, 200, { 'Content-Type': type })
    })
  }
}

import type { Context, MiddlewareHandler } from 'hono'

/** Only what the page itself brings, and calls to this server. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

const API_POLICY = "default-src 'none'; frame-ancestors 'none'"

/** What helmet sets, for pages and answers: nothing is sniffed, framed, sent on or kept. */
export function secureHeaders(): MiddlewareHandler {
  return async (c, next) => {
    set(c, API_POLICY)
    c.header('Cache-Control', 'no-store')
    await next()
  }
}

/** For the page and its files. */
export function pageHeaders(c: Context): void {
  set(c, PAGE_POLICY)
  c.header('Cache-Control', 'no-cache')
}

function set(c: Context, policy: string): void {
  c.header('Content-Security-Policy', policy)
  c.header('X-Content-Type-Options', 'nosniff')
  c.header('X-Frame-Options', 'DENY')
  c.header('Referrer-Policy', 'no-referrer')
  c.header('Cross-Origin-Opener-Policy', 'same-origin')
  c.header('X-DNS-Prefetch-Control', 'off')
  c.header('Permissions-Policy', 'camera=(), geolocation=(), microphone=()')
}

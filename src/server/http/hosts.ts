import { isIP } from 'node:net'

/**
 * Whether a `Host` header may be answered. A page on the web can point a name of its own at a loopback address and so reach a
 * server that listens there only (DNS rebinding); it cannot choose the header, which then carries that name.
 */
export function hostCheck(listening: string, allowed: readonly string[] | undefined): (header: string) => boolean {
  const names = new Set(allowed?.map((name) => name.toLowerCase()))
  if (!allowed && !isLoopback(listening)) return () => true
  return (header) => {
    const name = hostName(header)
    return name === 'localhost' || name.endsWith('.localhost') || isIP(name) !== 0 || names.has(name)
  }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/** Without port and brackets. */
function hostName(header: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(header)
  return (bracketed ? bracketed[1]! : header.replace(/:\d*$/, '')).toLowerCase()
}

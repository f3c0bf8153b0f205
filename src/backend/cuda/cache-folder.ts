import { homedir } from 'node:os'
import { join } from 'node:path'

/** What was compiled or timed on this machine is kept here: `WARPLINE_CACHE`, or warpline's folder among the user's caches. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.WARPLINE_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'warpline')
}

export type { Patience } from './http.js'
export { type PullOptions, type PullProgress, pull } from './pull.js'
export { resolveModel } from './resolve.js'
export { cacheDirectory, type HubOptions } from './settings.js'

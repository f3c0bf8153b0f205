import { WarplineError } from '../errors.js'
import { cpuBackend } from './cpu/backend.js'
import { cudaBackend } from './cuda/backend.js'
import type { Backend } from './executor.js'
import { referenceBackend } from './reference/backend.js'

export type Device = 'auto' | 'cpu' | 'cuda' | 'reference'

/** Every backend, the fastest first: the only place that names them. */
export function backends(): readonly Backend[] {
  return [cudaBackend, cpuBackend, referenceBackend]
}

/** The backend of that name; `auto` takes the first usable one. Throws `device-unavailable`, saying what there is and why. */
export async function selectBackend(device: Device, candidates = backends()): Promise<Backend> {
  const states = await Promise.all(candidates.map(async (backend) => ({ backend, ...(await backend.availability()) })))
  const wanted = device === 'auto' ? states : states.filter(({ backend }) => backend.name === device)
  const found = wanted.find(({ usable }) => usable)
  if (found) return found.backend
  const list = (found: typeof states) => found.map(({ backend, detail }) => `${backend.name} (${detail})`).join('; ')
  if (device === 'auto') throw new WarplineError('device-unavailable', `no backend can run here: ${list(states)}`)
  const why = wanted[0]?.detail ?? 'this version has no such backend'
  const others = list(states.filter(({ usable }) => usable))
  const advice = others ? `choose auto or one of: ${others}` : 'no other can be used either'
  throw new WarplineError('device-unavailable', `device ${device} cannot be used: ${why}; ${advice}`)
}

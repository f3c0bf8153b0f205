import type { Ref } from '../../../program/buffer.js'
import type { Address, Places } from './launch.js'

/** Null on the device where an operation does not name a buffer. */
export function optional(ref: Ref | undefined, at: Places): Address | undefined {
  return ref === undefined ? undefined : at.of(ref)
}

import type { Program } from '../program/program.js'

/**
 * Dynamic rotary scaling turns a token by the length of its prompt once that is longer than the model was trained for.
 * The length up to which it does not, so that cached keys suit any prompt; undefined for programs without such scaling.
 */
export function dynamicRotaryOf(program: Program): number | undefined {
  const originals = program.operations.flatMap((op) =>
    op.kind === 'qkv-to-cache' && op.rotary?.dynamic ? [op.rotary.dynamic.original] : [],
  )
  return originals.length > 0 ? Math.min(...originals) : undefined
}

import type { Program } from '../program.js'
import { fuseGateUp, fuseQkv } from './fuse-projections.js'
import { fuseResidualNorm } from './fuse-residual-norm.js'
import { planMemory } from './plan-memory.js'

/** The passes every backend profits from, in their order. */
export function optimize(program: Program): Program {
  return planMemory(fuseResidualNorm(fuseGateUp(fuseQkv(program))))
}

import { stack } from '../../program/weight-source.js'
import { family } from '../family.js'
import { GATED_TENSORS, gatedActivation, gatedAttention, gatedDecoder, readGatedSizes } from '../gated.js'
import { expertCount } from '../parts.js'

/** Mixtral 8x7B (Jiang et al. 2024): Mistral with experts; w1 gates, w3 raises, w2 lowers; shares of the chosen sum to 1. */
export const mixtral = family('mixtral', GATED_TENSORS, (c, w) => {
  const sizes = readGatedSizes(c, {
    ...{ vocabulary: 32000, hidden: 4096, layers: 32, heads: 32, kvHeads: 8, inner: 14336 },
    ...{ positions: 131072, theta: 1_000_000 },
  })
  const { hidden, inner } = sizes
  const window = c.intOrNone('sliding_window', undefined)
  const experts = expertCount(c, ['num_local_experts', 'num_experts'], sizes.layers, 8)
  const topK = c.int('num_experts_per_tok', 2, { max: experts })
  const activation = gatedActivation(c)
  return gatedDecoder(c, w, sizes, { epsilon: 1e-5, tied: false }, (at) => {
    const moe = at.at('block_sparse_moe')
    const expert = (e: number, name: string, outputs: number, inputs: number) =>
      moe.matrix(`experts.${e}.${name}.weight`, outputs, inputs)
    const all = Array.from({ length: experts }, (_, e) => e)
    const up = all.flatMap((e) => [expert(e, 'w1', inner, hidden), expert(e, 'w3', inner, hidden)])
    return {
      attention: { ...gatedAttention(at.at('self_attn'), sizes), window },
      feedForward: {
        ...{ kind: 'moe', inner, activation, experts, topK, renormalise: true, gated: true },
        router: moe.matrix('gate.weight', experts, hidden),
        up: { weight: stack(...up) },
        down: { weight: stack(...all.map((e) => expert(e, 'w2', hidden, inner))) },
      },
    }
  })
})

import { stack } from '../../program/weight-source.js'
import { family } from '../family.js'
import { expertCount } from '../parts.js'
import type { LinearSpec } from '../spec.js'
import { GPT2_TENSORS, gpt2Decoder, gpt2FeedForward } from './gpt2.js'

/**
 * GPT-2 with mixtures of experts in some layers, as DeepSpeed-MoE (Rajbhandari et al. 2022) and FasterTransformer know
 * it: GPT-2's fields and `num_experts`, `moe_layers` (the layers' numbers) and `moe_top_k` (1). The router's probabilities
 * are not renormalised; experts are stored output-major.
 */
export const gptMoe = family('gpt_moe', GPT2_TENSORS, (c, w) => {
  const layers = new Set(c.list('moe_layers') ?? c.invalid('moe_layers', 'a list of layer numbers'))
  const experts = expertCount(c, 'num_experts', layers.size)
  const topK = c.int('moe_top_k', 1, { max: experts })
  const spec = gpt2Decoder(c, w, (at, sizes, layer) => {
    if (!layers.delete(layer)) return gpt2FeedForward(at, sizes)
    const { hidden, inner, activation } = sizes
    const every = (name: string, outputs: number, inputs: number): LinearSpec => {
      const one = (e: number) => at.linear(`mlp.experts.${e}.${name}`, outputs, inputs, { bias: true })
      const all = Array.from({ length: experts }, (_, e) => one(e))
      return { weight: stack(...all.map((e) => e.weight)), bias: stack(...all.map((e) => e.bias!)) }
    }
    return {
      ...{ kind: 'moe', inner, activation, experts, topK, renormalise: false, gated: false },
      router: at.matrix('mlp.gate.weight', experts, hidden),
      up: every('c_fc', inner, hidden),
      down: every('c_proj', hidden, inner),
    }
  })
  if (layers.size > 0) c.invalid('moe_layers', `a list of whole numbers from 0 to ${spec.layers.length - 1}`)
  return spec
})

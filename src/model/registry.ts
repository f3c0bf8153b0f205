import { nearestName, WarplineError } from '../errors.js'
import { Config, shown } from './config.js'
import { bloom } from './families/bloom.js'
import { falcon } from './families/falcon.js'
import { gemma2 } from './families/gemma2.js'
import { gptBigcode } from './families/gpt-bigcode.js'
import { gptMoe } from './families/gpt-moe.js'
import { gptNeox } from './families/gpt-neox.js'
import { gpt2 } from './families/gpt2.js'
import { gptj } from './families/gptj.js'
import { llama } from './families/llama.js'
import { mistral } from './families/mistral.js'
import { mixtral } from './families/mixtral.js'
import { opt } from './families/opt.js'
import { phi } from './families/phi.js'
import { qwen2 } from './families/qwen2.js'
import { qwen3 } from './families/qwen3.js'
import type { Family } from './family.js'
import type { DecoderSpec } from './spec.js'

const all = [
  ...[bloom, falcon, gemma2, gpt2, gptBigcode, gptMoe, gptNeox, gptj, llama, mistral, mixtral, opt, phi, qwen2, qwen3],
]
const families: ReadonlyMap<string, Family> = new Map(all.map((family) => [family.modelType, family]))

/** Every `model_type` that decoderSpec understands. */
export const supportedModelTypes: readonly string[] = [...families.keys()].sort()

/**
 * The decoder that a checkpoint's config.json describes; `has` says which tensors the checkpoint holds. Throws
 * `model-unsupported` for an unknown family, `config-invalid` for values that cannot be, `config-unsupported` for fields
 * that change the mathematics in a way not built here, and `tensor-missing` where no tensor can be the head.
 */
export function decoderSpec(config: Readonly<Record<string, unknown>>, has: (tensor: string) => boolean): DecoderSpec {
  const family = findFamily(config)
  const reader = new Config(config)
  refuseOtherTasks(reader, config)
  const spec = family.build(reader, has)
  reader.finish(`model type ${family.modelType}`)
  return spec
}

function findFamily(config: Readonly<Record<string, unknown>>): Family {
  const type = config.model_type
  const found = typeof type === 'string' ? families.get(type) : undefined
  if (found) return found
  const nearest = typeof type === 'string' ? nearestName(type, supportedModelTypes) : undefined
  const problem =
    type === undefined ? 'config.json has no model_type' : `the model type ${shown(type)} is not supported`
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
  throw new WarplineError('model-unsupported', `${problem}${hint}; supported are ${supportedModelTypes.join(', ')}`)
}

const QUANTISED = ['quantization_config', 'compression_config', 'quantization']
const OTHER_TASK = /Classification|QuestionAnswering|MultipleChoice|Reward/

function refuseOtherTasks(c: Config, { architectures }: Readonly<Record<string, unknown>>): void {
  const quantised = QUANTISED.find((name) => c.has(name))
  if (quantised) c.unsupported(quantised, 'quantised checkpoints are not supported; use the original one')
  const names = Array.isArray(architectures) ? architectures.filter((name) => typeof name === 'string') : []
  if (names.length > 0 && names.every((name) => OTHER_TASK.test(name))) {
    c.unsupported('architectures', 'this checkpoint does not generate text; use one made for causal language modelling')
  }
}

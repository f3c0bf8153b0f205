import type { Config } from './config.js'
import type { DecoderSpec } from './spec.js'
import { findPrefix, type Tensors } from './tensors.js'

/** One family of models: how its config.json becomes a decoder. */
export interface Family {
  /** `model_type` of config.json. */
  readonly modelType: string
  build(config: Config, exists: (tensor: string) => boolean): DecoderSpec
}

export interface FamilyNames {
  /** What may stand before a tensor's name, the usual one first. */
  readonly prefixes: readonly string[]
  /** A tensor that every checkpoint of the family holds. */
  readonly probe: string
}

export function family(
  modelType: string,
  names: FamilyNames,
  build: (config: Config, tensors: Tensors) => Omit<DecoderSpec, 'family'>,
): Family {
  return {
    modelType,
    build: (config, exists) => ({
      family: modelType,
      ...build(config, findPrefix(exists, names.prefixes, names.probe)),
    }),
  }
}

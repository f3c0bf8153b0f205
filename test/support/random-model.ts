import type {
  AttentionSpec,
  DecoderSpec,
  FeedForwardSpec,
  LayerSpec,
  LinearSpec,
  NormSpec,
  ResidualForm,
} from '../../src/model/spec.js'
import type { Activation } from '../../src/program/operation.js'
import { tensor, type WeightReader, type WeightSource } from '../../src/program/weight-source.js'
import { checkpointReader } from '../../src/weights/weight-reader.js'
import { MemoryCheckpoint } from './memory-checkpoint.js'
import { Random } from './random.js'

/** What a small test model is made of; see FORMS for the usual ones. */
export interface ModelForm {
  readonly layers: number
  readonly hidden: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly inner: number
  readonly vocabulary: number
  readonly contextLength: number
  readonly residual: ResidualForm
  readonly norm: 'layer' | 'rms'
  readonly activation: Activation
  readonly bias: boolean
  readonly gated: boolean
  /** Parallel residual: a norm of its own for the feed-forward branch. */
  readonly secondNorm: boolean
  readonly outputNorms: boolean
  readonly headNorms: boolean
  readonly finalNorm: boolean
  readonly experts?: { readonly count: number; readonly topK: number }
  readonly rotary?: { readonly dim: number; readonly pairs: 'half' | 'interleaved'; readonly dynamicFrom?: number }
  readonly learnedPositions?: { readonly offset: number }
  readonly alibi: boolean
  /** On every other layer. */
  readonly window?: number
  readonly softCap?: number
  readonly embeddingWidth?: number
  readonly embeddingNorm: boolean
  readonly embeddingScale?: number
  readonly tied: boolean
}

const PLAIN: ModelForm = {
  layers: 2,
  hidden: 24,
  heads: 4,
  kvHeads: 4,
  headDim: 6,
  inner: 40,
  vocabulary: 61,
  contextLength: 256,
  residual: 'serial',
  norm: 'layer',
  activation: 'gelu-tanh',
  bias: true,
  gated: false,
  secondNorm: false,
  outputNorms: false,
  headNorms: false,
  finalNorm: true,
  alibi: false,
  embeddingNorm: false,
  tied: true,
}

const half = { dim: 6, pairs: 'half' } as const

/** One form for each way that families differ in. */
export const FORMS: Readonly<Record<string, Partial<ModelForm>>> = {
  'serial, learned positions': { learnedPositions: { offset: 0 } },
  'serial, gated, grouped heads, rms': {
    norm: 'rms',
    bias: false,
    gated: true,
    activation: 'silu',
    kvHeads: 2,
    rotary: half,
    tied: false,
  },
  'parallel, one norm': { residual: 'parallel', rotary: { dim: 4, pairs: 'interleaved' } },
  'parallel, two norms': {
    residual: 'parallel',
    secondNorm: true,
    rotary: { dim: 2, pairs: 'half' },
    activation: 'gelu',
  },
  'post-norm, projected embedding': {
    residual: 'post-norm',
    activation: 'relu',
    learnedPositions: { offset: 2 },
    embeddingWidth: 10,
    finalNorm: false,
  },
  'alibi, embedding norm': { alibi: true, embeddingNorm: true },
  'sums start from norms, alibi': { residual: 'norm-residual', alibi: true },
  'mixture of experts': {
    norm: 'rms',
    bias: false,
    gated: true,
    activation: 'silu',
    kvHeads: 2,
    rotary: half,
    experts: { count: 5, topK: 2 },
  },
  'windows, soft caps, output norms': {
    norm: 'rms',
    bias: false,
    gated: true,
    kvHeads: 1,
    rotary: half,
    outputNorms: true,
    window: 7,
    softCap: 5,
    embeddingScale: 4.875,
  },
  'head norms': { norm: 'rms', bias: false, gated: true, activation: 'silu', headNorms: true, rotary: half },
  'dynamic rotary scaling': { norm: 'rms', bias: false, gated: true, rotary: { ...half, dynamicFrom: 9 } },
}

/** A decoder of random weights and the reader that gives them; the same form and seed give the same model. */
export function randomModel(
  form: Partial<ModelForm> = {},
  seed = 1,
): { readonly spec: DecoderSpec; readonly weights: WeightReader } {
  const builder = new RandomModel({ ...PLAIN, ...form }, seed)
  return { spec: builder.decoder(), weights: checkpointReader(builder.checkpoint) }
}

class RandomModel {
  readonly checkpoint = new MemoryCheckpoint()
  private readonly random: Random

  constructor(
    private readonly form: ModelForm,
    seed: number,
  ) {
    this.random = new Random(seed)
  }

  decoder(): DecoderSpec {
    const { form } = this
    const { hidden, vocabulary, contextLength, learnedPositions: learned, embeddingWidth: width = hidden } = form
    const table = this.tensor('table', [vocabulary, width], 1)
    const rows = contextLength + (learned?.offset ?? 0)
    return {
      family: 'random',
      ...{ vocabulary, hidden, contextLength },
      embedding: {
        table,
        width,
        ...(form.embeddingScale && { scale: form.embeddingScale }),
        ...(width !== hidden && { projection: this.linear('projection', hidden, width) }),
        ...(learned && {
          positions: { table: this.tensor('places', [rows, hidden], 1), rows, offset: learned.offset },
        }),
        ...(form.embeddingNorm && { norm: this.norm('embedding-norm', hidden) }),
      },
      layers: Array.from({ length: form.layers }, (_, i) => this.layer(i)),
      ...(form.finalNorm && { finalNorm: this.norm('final', hidden) }),
      ...(width !== hidden && { outputProjection: this.linear('output-projection', width, hidden) }),
      head: {
        weight: form.tied ? table : this.tensor('head', [vocabulary, width], width ** -0.5),
        ...(form.softCap && { softCap: 2 * form.softCap }),
      },
    }
  }

  private layer(i: number): LayerSpec {
    const { residual, hidden, secondNorm, outputNorms } = this.form
    const name = (part: string) => `layers.${i}.${part}`
    return {
      residual,
      attentionNorm: this.norm(name('norm1'), hidden),
      ...((residual !== 'parallel' || secondNorm) && { feedForwardNorm: this.norm(name('norm2'), hidden) }),
      ...(outputNorms && {
        attentionOutputNorm: this.norm(name('norm3'), hidden),
        feedForwardOutputNorm: this.norm(name('norm4'), hidden),
      }),
      attention: this.attention(i, name),
      feedForward: this.feedForward(name),
    }
  }

  private attention(i: number, name: (part: string) => string): AttentionSpec {
    const { hidden, heads, kvHeads, headDim, headNorms, alibi, window, softCap } = this.form
    return {
      ...{ heads, kvHeads, headDim },
      scale: headDim ** -0.5,
      query: this.linear(name('query'), heads * headDim, hidden),
      key: this.linear(name('key'), kvHeads * headDim, hidden),
      value: this.linear(name('value'), kvHeads * headDim, hidden),
      output: this.linear(name('output'), hidden, heads * headDim),
      ...(headNorms && {
        queryNorm: this.norm(name('query-norm'), headDim),
        keyNorm: this.norm(name('key-norm'), headDim),
      }),
      ...this.rotary(),
      ...(alibi && { alibi: Array.from({ length: heads }, (_, h) => 2 ** -(h + 1)) }),
      ...(window && i % 2 === 0 && { window }),
      ...(softCap && { softCap }),
    }
  }

  private rotary(): Pick<AttentionSpec, 'rotary'> {
    if (!this.form.rotary) return {}
    const { dim, pairs, dynamicFrom: original } = this.form.rotary
    const frequencies = Array.from({ length: dim / 2 }, (_, i) => 10000 ** ((-2 * i) / dim))
    const dynamic = original ? { dynamic: { theta: 10000, factor: 2, original } } : {}
    return { rotary: { dim, pairs, frequencies, scale: 1, ...dynamic } }
  }

  private feedForward(name: (part: string) => string): FeedForwardSpec {
    const { hidden, inner, activation, gated, experts } = this.form
    if (!experts) {
      return {
        kind: 'dense',
        ...{ inner, activation },
        ...(gated && { gate: this.linear(name('gate'), inner, hidden) }),
        up: this.linear(name('up'), inner, hidden),
        down: this.linear(name('down'), hidden, inner),
      }
    }
    const { count, topK } = experts
    return {
      kind: 'moe',
      ...{ inner, activation, gated, topK, experts: count, renormalise: true },
      router: this.tensor(name('router'), [count, hidden], 1),
      up: this.linear(name('experts-up'), count * inner * (gated ? 2 : 1), hidden),
      down: this.linear(name('experts-down'), count * hidden, inner),
    }
  }

  private norm(name: string, width: number): NormSpec {
    const { norm } = this.form
    const weight = this.tensor(`${name}.weight`, [width], 1)
    return { norm, epsilon: 1e-5, weight, ...(norm === 'layer' && { bias: this.tensor(`${name}.bias`, [width], 0.5) }) }
  }

  private linear(name: string, outputs: number, inputs: number): LinearSpec {
    const weight = this.tensor(`${name}.weight`, [outputs, inputs], (3 / inputs) ** 0.5)
    return { weight, ...(this.form.bias && { bias: this.tensor(`${name}.bias`, [outputs], 0.5) }) }
  }

  private tensor(name: string, shape: readonly number[], scale: number): WeightSource {
    const count = shape.reduce((product, size) => product * size, 1)
    this.checkpoint.add(name, shape, this.random.floats(count, scale))
    return tensor(name, shape)
  }
}

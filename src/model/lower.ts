import type { DataType, Dimension, Ref } from '../program/buffer.js'
import type { Norm } from '../program/operation.js'
import { type Program, ProgramBuilder } from '../program/program.js'
import { constant, sourceShape, type WeightSource } from '../program/weight-source.js'
import { roundTo } from './rounding.js'
import type { AttentionSpec, DecoderSpec, DenseSpec, LayerSpec, LinearSpec, MoeSpec, NormSpec } from './spec.js'

export interface LoweringOptions {
  /** Tokens in a block of the K/V cache. */
  readonly blockSize: number
  /** Storage of matrices; vectors stay f32. */
  readonly weightType: DataType
  readonly cacheType: DataType
  readonly activationType: DataType
}

export const REFERENCE_LOWERING: LoweringOptions = {
  blockSize: 16,
  weightType: 'f32',
  cacheType: 'f32',
  activationType: 'f32',
}

/** Turns a decoder into the plainest program that computes it; passes make it fast. */
export function lower(spec: DecoderSpec, options: LoweringOptions): Program {
  return new Lowering(spec, options).run()
}

class Lowering {
  private readonly builder: ProgramBuilder
  private readonly usesDynamicRotary: boolean
  private readonly weightNames = new Map<string, Ref>()

  constructor(
    private readonly spec: DecoderSpec,
    private readonly options: LoweringOptions,
  ) {
    this.builder = new ProgramBuilder(spec.family)
    this.usesDynamicRotary = spec.layers.some((layer) => layer.attention.rotary?.dynamic)
  }

  run(): Program {
    const { spec, builder } = this
    this.inputs()
    this.caches()
    const caches = spec.layers.flatMap((_, i) => [`layers.${i}.keys`, `layers.${i}.values`])
    builder.add({ kind: 'copy-blocks', caches, pairs: 'copies' })
    let x = this.embedding()
    spec.layers.forEach((layer, i) => {
      x = this.layer(layer, `layers.${i}`, x)
    })
    if (spec.finalNorm) x = this.norm('final', spec.finalNorm, x)
    if (spec.outputProjection) x = this.linear('output-projection', spec.outputProjection, x)
    const width = builder.buffers.get(x)!.shape[1]!
    const picked = this.activation('picked', ['rows', width])
    builder.add({ kind: 'gather-rows', x, rows: 'rows', out: picked })
    const logits = this.logits(picked)
    builder.buffer({ name: 'sampled', kind: 'output', dtype: 'record', shape: ['rows'] })
    builder.add({ kind: 'sample', logits, sampling: 'sampling', out: 'sampled' })
    return builder.finish({ hidden: x, logits })
  }

  private inputs(): void {
    const input = (name: Ref, dtype: DataType, ...shape: Dimension[]) =>
      this.builder.buffer({ name, kind: 'input', dtype, shape })
    input('ids', 'i32', 'tokens')
    input('positions', 'i32', 'tokens')
    input('slots', 'i32', 'tokens')
    input('soft-rows', 'f32', 'tokens', this.spec.embedding.width)
    if (this.usesDynamicRotary) input('rotary-lengths', 'i32', 'tokens')
    // One start a sequence; the end of the last is the token count.
    input('query-starts', 'i32', 'sequences')
    input('context-lengths', 'i32', 'sequences')
    input('block-tables', 'i32', 'sequences', 'width')
    input('rows', 'i32', 'rows')
    input('copies', 'i32', 'copies', 2)
    input('sampling', 'record', 'rows')
  }

  private caches(): void {
    this.spec.layers.forEach(({ attention }, i) => {
      const shape: Dimension[] = ['blocks', this.options.blockSize, attention.kvHeads, attention.headDim]
      for (const side of ['keys', 'values']) {
        this.builder.buffer({ name: `layers.${i}.${side}`, kind: 'cache', dtype: this.options.cacheType, shape })
      }
    })
  }

  private embedding(): Ref {
    const { embedding, hidden } = this.spec
    const table = this.weight('embedding.table', embedding.table)
    const positionTable = embedding.positions && this.vector('embedding.positions', embedding.positions.table)
    const learned = positionTable && {
      positions: 'positions',
      positionTable,
      positionOffset: embedding.positions!.offset,
    }
    let x = this.activation('embedded', ['tokens', embedding.width])
    const fits = embedding.width === hidden && !embedding.projection
    const scale = embedding.scale !== undefined && { scale: roundTo(this.options.weightType, embedding.scale) }
    this.builder.add({ kind: 'embed', ids: 'ids', table, rows: 'soft-rows', ...scale, ...(fits && learned), out: x })
    if (embedding.projection) x = this.linear('embedding.projection', embedding.projection, x)
    if (learned && !fits) {
      const placed = this.activation('embedding.placed', ['tokens', hidden])
      const positionIds = { ids: 'positions', table: positionTable, idOffset: learned.positionOffset }
      this.builder.add({ kind: 'embed', ...positionIds, out: placed })
      x = this.sum('embedding.sum', x, placed)
    }
    return embedding.norm ? this.norm('embedding.norm', embedding.norm, x) : x
  }

  private layer(layer: LayerSpec, name: string, x: Ref): Ref {
    switch (layer.residual) {
      case 'post-norm': {
        const h = this.norm(
          `${name}.norm1`,
          layer.attentionNorm,
          this.sum(`${name}.sum1`, x, this.attend(layer, name, x)),
        )
        const sum = this.sum(`${name}.sum2`, h, this.feedForward(layer, name, h))
        return this.norm(`${name}.norm2`, layer.feedForwardNorm!, sum)
      }
      case 'parallel': {
        const normed = this.norm(`${name}.norm1`, layer.attentionNorm, x)
        const second = layer.feedForwardNorm ? this.norm(`${name}.norm2`, layer.feedForwardNorm, x) : normed
        const attended = this.attend(layer, name, normed)
        const fed = this.feedForward(layer, name, second)
        return this.sum(`${name}.sum2`, this.sum(`${name}.sum1`, x, attended), fed)
      }
      case 'serial':
      case 'norm-residual': {
        const fromNorm = layer.residual === 'norm-residual'
        const normed = this.norm(`${name}.norm1`, layer.attentionNorm, x)
        const h = this.sum(`${name}.sum1`, fromNorm ? normed : x, this.attend(layer, name, normed))
        const normed2 = this.norm(`${name}.norm2`, layer.feedForwardNorm!, h)
        return this.sum(`${name}.sum2`, fromNorm ? normed2 : h, this.feedForward(layer, name, normed2))
      }
    }
  }

  private attend(layer: LayerSpec, name: string, x: Ref): Ref {
    const a = layer.attention
    const { heads, kvHeads, headDim } = a
    const slice = (buffer: Ref, width: number) => ({ buffer, offset: 0, width })
    const q = slice(this.linear(`${name}.q`, a.query, x), heads * headDim)
    const k = slice(this.linear(`${name}.k`, a.key, x), kvHeads * headDim)
    const v = slice(this.linear(`${name}.v`, a.value, x), kvHeads * headDim)
    const shared = { heads, kvHeads, headDim, keyCache: `${name}.keys`, valueCache: `${name}.values` }
    const ready = this.activation(`${name}.queries`, ['tokens', heads * headDim])
    const queryNorm = a.queryNorm && this.headNorm(`${name}.query-norm`, a.queryNorm)
    const keyNorm = a.keyNorm && this.headNorm(`${name}.key-norm`, a.keyNorm)
    const rotary = this.rotary(a)
    this.builder.add({
      kind: 'qkv-to-cache',
      ...{ q, k, v, ...shared },
      ...(queryNorm && { queryNorm }),
      ...(keyNorm && { keyNorm }),
      ...(rotary && { rotary }),
      positions: 'positions',
      slots: 'slots',
      out: ready,
    })
    const out = this.activation(`${name}.attended`, ['tokens', heads * headDim])
    this.builder.add({
      kind: 'attention',
      q: ready,
      ...shared,
      scale: a.scale,
      ...(a.window !== undefined && { window: a.window }),
      ...(a.softCap !== undefined && { softCap: a.softCap }),
      ...(a.alibi && { alibi: this.vector('alibi', constant(a.alibi)) }),
      ...(a.alibiScale !== undefined && { alibiScale: a.alibiScale }),
      queryStarts: 'query-starts',
      contextLengths: 'context-lengths',
      blockTables: 'block-tables',
      out,
    })
    const projected = this.linear(`${name}.o`, a.output, out)
    return layer.attentionOutputNorm ? this.norm(`${name}.o-norm`, layer.attentionOutputNorm, projected) : projected
  }

  private rotary(a: AttentionSpec) {
    if (!a.rotary) return undefined
    const { dim, pairs, scale, dynamic } = a.rotary
    const frequencies = this.vector('rotary', constant(a.rotary.frequencies))
    return { dim, pairs, scale, frequencies, ...(dynamic && { dynamic: { ...dynamic, lengths: 'rotary-lengths' } }) }
  }

  private feedForward(layer: LayerSpec, name: string, x: Ref): Ref {
    const f = layer.feedForward
    const out = f.kind === 'dense' ? this.dense(f, name, x) : this.moe(f, name, x)
    return layer.feedForwardOutputNorm ? this.norm(`${name}.down-norm`, layer.feedForwardOutputNorm, out) : out
  }

  private dense(f: DenseSpec, name: string, x: Ref): Ref {
    const { activation } = f
    if (!f.gate) return this.linear(`${name}.down`, f.down, this.linear(`${name}.up`, f.up, x, { activation }))
    const gate = this.linear(`${name}.gate`, f.gate, x, { activation })
    return this.linear(`${name}.down`, f.down, this.linear(`${name}.up`, f.up, x, { multiply: gate }))
  }

  private moe(f: MoeSpec, name: string, x: Ref): Ref {
    const { hidden } = this.spec
    const out = this.activation(`${name}.experts`, ['tokens', hidden])
    const { experts, topK, renormalise, gated, activation, inner } = f
    const width = gated ? 2 * inner : inner
    const upBias = f.up.bias && this.weight(`${name}.experts.up.bias`, f.up.bias, [experts, width], 'f32')
    const downBias = f.down.bias && this.weight(`${name}.experts.down.bias`, f.down.bias, [experts, hidden], 'f32')
    this.builder.add({
      kind: 'moe',
      x,
      router: this.weight(`${name}.router`, f.router, undefined, 'f32'),
      up: this.weight(`${name}.experts.up`, f.up.weight, [experts, width, hidden]),
      ...(upBias && { upBias }),
      down: this.weight(`${name}.experts.down`, f.down.weight, [experts, hidden, inner]),
      ...(downBias && { downBias }),
      ...{ experts, topK, renormalise, gated, activation, out },
    })
    return out
  }

  private logits(x: Ref): Ref {
    const { head, vocabulary } = this.spec
    const out = this.builder.buffer({ name: 'logits', kind: 'activation', dtype: 'f32', shape: ['rows', vocabulary] })
    const bias = head.bias && this.vector('head.bias', head.bias)
    this.builder.add({
      kind: 'logits',
      x,
      weight: this.weight('head.weight', head.weight),
      ...(bias && { bias }),
      ...(head.scale !== undefined && { scale: head.scale }),
      ...(head.softCap !== undefined && { softCap: head.softCap }),
      out,
    })
    return out
  }

  private norm(name: string, spec: NormSpec, x: Ref): Ref {
    const out = this.activation(name, this.builder.buffers.get(x)!.shape)
    const op: Norm = {
      kind: 'norm',
      norm: spec.norm,
      epsilon: spec.epsilon,
      x,
      adds: [],
      ...this.normWeights(name, spec),
      out,
    }
    this.builder.add(op)
    return out
  }

  private headNorm(name: string, spec: NormSpec) {
    return { norm: spec.norm, epsilon: spec.epsilon, ...this.normWeights(name, spec) }
  }

  private normWeights(name: string, spec: NormSpec) {
    return {
      ...(spec.weight && { weight: this.vector(`${name}.weight`, spec.weight) }),
      ...(spec.bias && { bias: this.vector(`${name}.bias`, spec.bias) }),
    }
  }

  private linear(
    name: string,
    spec: LinearSpec,
    x: Ref,
    epilogue: { activation?: DenseSpec['activation']; multiply?: Ref } = {},
  ): Ref {
    const weight = this.weight(`${name}.weight`, spec.weight)
    const bias = spec.bias && this.vector(`${name}.bias`, spec.bias)
    const out = this.activation(name, [this.builder.buffers.get(x)!.shape[0]!, sourceShape(spec.weight)[0]!])
    this.builder.add({ kind: 'linear', x, weight, ...(bias && { bias }), ...epilogue, out })
    return out
  }

  private sum(name: string, x: Ref, y: Ref): Ref {
    const out = this.activation(name, this.builder.buffers.get(x)!.shape)
    this.builder.add({ kind: 'add', x, y, out })
    return out
  }

  private activation(name: Ref, shape: readonly Dimension[]): Ref {
    return this.builder.buffer({ name, kind: 'activation', dtype: this.options.activationType, shape })
  }

  private vector(name: Ref, source: WeightSource): Ref {
    return this.weight(name, source, undefined, 'f32')
  }

  /** One buffer for equal sources: tied heads, the rotary table of all layers. */
  private weight(name: Ref, source: WeightSource, shape = sourceShape(source), dtype = this.options.weightType): Ref {
    const key = `${dtype} ${shape} ${JSON.stringify(source)}`
    const known = this.weightNames.get(key)
    if (known) return known
    const free = this.builder.buffers.has(name) ? `${name}.${this.weightNames.size}` : name
    this.weightNames.set(key, free)
    return this.builder.buffer({ name: free, kind: 'weight', dtype, shape, source })
  }
}

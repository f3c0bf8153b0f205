import { headDim, type Shape } from '../shapes.js'
import { MICROSOFT, OnnxGraph } from './onnx.js'
import { type OnnxType, Products } from './onnx-products.js'
import { valuesOf, widen } from './values.js'
import { type Weight, weightsOf } from './weights.js'

const EPSILON = 1e-5
const ROTARY_BASE = 10_000

/**
 * The model as onnxruntime runs it fastest on a CPU: grouped-query attention over a cache that the caller owns, norms fused
 * with residuals and biases, logits and the likeliest token of the last position only. Embeddings stay float32.
 *
 * Inputs: `ids` and (GPT-2) `positions` [batch, tokens], `lengths` [batch] (tokens with these, less one), `longest`,
 * `past.<layer>.key|value` [batch, heads, capacity, head]. Outputs: `logits` [batch, vocabulary], `token` [batch],
 * `present.<layer>.key|value`, which may be the same memory as the past.
 */
export async function writeOnnxModel(shape: Shape, type: OnnxType, path: string): Promise<void> {
  const graph = await OnnxGraph.create(path)
  const writer = new Writer(shape, graph, new Products(graph, type))
  await writer.write()
  await graph.finish()
}

/** A sum that the next norm finishes: the product that a layer adds to its residual stream. */
interface Pending {
  readonly residual: string
  readonly product: string
  readonly bias: string
}

class Writer {
  private readonly weights: ReadonlyMap<string, Weight>
  private readonly gpt2: boolean

  constructor(
    private readonly shape: Shape,
    private readonly graph: OnnxGraph,
    private readonly products: Products,
  ) {
    this.weights = new Map(weightsOf(shape).map((weight) => [weight.id, weight]))
    this.gpt2 = shape.family === 'gpt2'
  }

  async write(): Promise<void> {
    const { graph, shape, gpt2 } = this
    graph.input('ids', 'int64', ['batch', 'tokens'])
    graph.input('lengths', 'int32', ['batch'])
    graph.input('longest', 'int32', [1])
    let { normed, residual } = await this.embed()
    for (let i = 0; i < shape.layers; i++) {
      const pending = await this.layer(i, normed, residual)
      const last = i === shape.layers - 1
      const next = last ? 'norm' : `layers.${i + 1}.attention-norm`
      ;({ normed, residual } = await this.addAndNorm(next, last ? this.lastToken(pending) : pending))
    }
    const head = this.weight(gpt2 ? 'embedding' : 'head')
    await this.products.logits(normed, 'logits', head, gpt2)
    graph.node({ op: 'ArgMax', inputs: ['logits'], outputs: ['token'], ints: { axis: 1, keepdims: 0 } })
    graph.output('logits', 'float32', ['batch', shape.vocabulary])
    graph.output('token', 'int64', ['batch'])
  }

  private async embed(): Promise<{ normed: string; residual: string }> {
    const { graph, gpt2 } = this
    const token = { op: 'Gather', inputs: [await this.plain('embedding'), 'ids'] }
    const norm = await this.plain('layers.0.attention-norm')
    const attributes = { ints: { axis: -1 }, floats: { epsilon: EPSILON } }
    if (!gpt2) {
      await this.rotaryTables()
      const residual = graph.node({ ...token, outputs: ['embedded'] })
      const [inputs, outputs] = [[residual, norm], ['layers.0.normed']]
      return { residual, normed: graph.node({ op: 'SimplifiedLayerNormalization', inputs, outputs, ...attributes }) }
    }
    graph.input('positions', 'int64', ['batch', 'tokens'])
    const at = [await this.plain('positions', 'positions.table'), 'positions']
    const tokens = graph.node({ ...token, outputs: ['embedded.tokens'] })
    const positions = graph.node({ op: 'Gather', inputs: at, outputs: ['embedded.positions'] })
    const residual = graph.node({ op: 'Add', inputs: [tokens, positions], outputs: ['embedded'] })
    const inputs = [residual, norm, await this.plain('layers.0.attention-norm.bias')]
    return {
      residual,
      normed: graph.node({ op: 'LayerNormalization', inputs, outputs: ['layers.0.normed'], ...attributes }),
    }
  }

  private async layer(i: number, normed: string, residual: string): Promise<Pending> {
    const at = `layers.${i}`
    const attended = await this.attention(i, normed)
    const output = await this.products.multiply(attended, `${at}.output`, [this.weight(`${at}.output`)])
    const bias = await this.biasOf(`${at}.output`)
    const middle = await this.addAndNorm(`${at}.feed-forward-norm`, { residual, product: output, bias })
    const inner = await (this.gpt2 ? this.gelu(at, middle.normed) : this.gated(at, middle.normed))
    const product = await this.products.multiply(inner, `${at}.down`, [this.weight(`${at}.down`)])
    return { residual: middle.residual, product, bias: await this.biasOf(`${at}.down`) }
  }

  private async attention(i: number, normed: string): Promise<string> {
    const { graph, shape, gpt2 } = this
    const at = `layers.${i}`
    const parts = gpt2 ? ['qkv'] : ['query', 'key', 'value']
    const weights = parts.map((part) => this.weight(`${at}.${part}`))
    const qkv = await this.products.multiply(normed, `${at}.qkv`, weights, await this.biasOf(`${at}.qkv`))
    const cache = ['batch', shape.kvHeads, 'capacity', headDim(shape)]
    const past = ['key', 'value'].map((which) => graph.input(`past.${i}.${which}`, 'float32', cache))
    const present = ['key', 'value'].map((which) => `present.${i}.${which}`)
    for (const name of present) graph.output(name, 'float32', cache)
    return graph.node({
      op: 'GroupQueryAttention',
      domain: MICROSOFT,
      inputs: [qkv, '', '', ...past, 'lengths', 'longest', ...(gpt2 ? [] : ['rotary.cos', 'rotary.sin'])],
      outputs: [`${at}.attended`, ...present],
      ints: { num_heads: shape.heads, kv_num_heads: shape.kvHeads, do_rotary: gpt2 ? 0 : 1 },
    })
  }

  private async gelu(at: string, normed: string): Promise<string> {
    const up = await this.products.multiply(normed, `${at}.up`, [this.weight(`${at}.up`)])
    const inputs = [up, await this.biasOf(`${at}.up`)]
    return this.graph.node({ op: 'FastGelu', domain: MICROSOFT, inputs, outputs: [`${at}.inner`] })
  }

  private async gated(at: string, normed: string): Promise<string> {
    const { graph } = this
    const gate = await this.products.multiply(normed, `${at}.gate`, [this.weight(`${at}.gate`)])
    const up = await this.products.multiply(normed, `${at}.up`, [this.weight(`${at}.up`)])
    const [inputs, outputs] = [[gate], [`${at}.gate.silu`]]
    const silu = graph.node({ op: 'QuickGelu', domain: MICROSOFT, inputs, outputs, floats: { alpha: 1 } })
    return graph.node({ op: 'Mul', inputs: [silu, up], outputs: [`${at}.inner`] })
  }

  /** The sum goes on as the residual stream, its norm into the next product. */
  private async addAndNorm(id: string, { residual, product, bias }: Pending) {
    const { graph, gpt2 } = this
    const weight = await this.plain(id)
    const names = { normed: `${id}.normed`, residual: `${id}.sum` }
    const shift = gpt2 ? [await this.plain(`${id}.bias`)] : []
    graph.node({
      op: gpt2 ? 'SkipLayerNormalization' : 'SkipSimplifiedLayerNormalization',
      domain: MICROSOFT,
      inputs: [product, residual, weight, ...shift, bias],
      outputs: [names.normed, '', '', names.residual],
      floats: { epsilon: EPSILON },
    })
    return names
  }

  private lastToken({ residual, product, bias }: Pending): Pending {
    const { graph } = this
    const index = graph.scalar('last', -1)
    const pick = (name: string) =>
      graph.node({ op: 'Gather', inputs: [name, index], outputs: [`${name}.last`], ints: { axis: 1 } })
    return { residual: pick(residual), product: pick(product), bias }
  }

  /** cos and sin of position times frequency, [positions, head / 2]. */
  private async rotaryTables(): Promise<void> {
    const { positions } = this.shape
    const half = headDim(this.shape) / 2
    const angle = (i: number) => Math.floor(i / half) * ROTARY_BASE ** (-(i % half) / half)
    for (const [name, of] of [
      ['rotary.cos', Math.cos],
      ['rotary.sin', Math.sin],
    ] as const) {
      const table = Float32Array.from({ length: positions * half }, (_, i) => of(angle(i)))
      await this.graph.weight(name, 'float32', [positions, half], table)
    }
  }

  private weight(id: string): Weight {
    return this.weights.get(id)!
  }

  private async biasOf(id: string): Promise<string> {
    return this.weights.has(`${id}.bias`) ? this.plain(`${id}.bias`) : ''
  }

  /** A float32 weight as it is. */
  private async plain(id: string, name = id): Promise<string> {
    const weight = this.weight(id)
    const dims = weight.kind === 'matrix' ? [weight.rows, weight.columns] : [weight.columns]
    return this.graph.weight(name, 'float32', dims, widen(valuesOf(weight)))
  }
}

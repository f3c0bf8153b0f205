import type { Buffer, Ref, Slice } from '../buffer.js'
import { type Linear, type Operation, type QkvToCache, reads } from '../operation.js'
import { getBuffer, type Program, rebuild } from '../program.js'
import { stack, type WeightSource, zeros } from '../weight-source.js'

/** One product for query, key and value where they read the same activations: their weights stand below each other. */
export function fuseQkv(program: Program): Program {
  const extra: Buffer[] = []
  let operations = [...program.operations]
  for (const qkv of program.operations) {
    if (qkv.kind !== 'qkv-to-cache') continue
    const products = [qkv.q, qkv.k, qkv.v].map((slice) => plainProduct(program, operations, slice, qkv))
    if (!products.every((product) => product !== undefined)) continue
    if (new Set(products.map((product) => product.x)).size > 1 || new Set(products).size < 3) continue
    if (!storedAlike(program, products)) continue
    const fused = joinProducts(program, products, `${qkv.q.buffer}kv`, extra)
    let offset = 0
    const [q, k, v] = [qkv.q, qkv.k, qkv.v].map((slice) => {
      offset += slice.width
      return { buffer: fused.out, offset: offset - slice.width, width: slice.width }
    }) as [Slice, Slice, Slice]
    operations = operations
      .map((op) => (op === products[0] ? fused : op === qkv ? { ...qkv, q, k, v } : op))
      .filter((op) => op !== products[1] && op !== products[2])
  }
  return rebuild(program, operations, extra)
}

/** One gated product for a gate and the up-projection that it multiplies. */
export function fuseGateUp(program: Program): Program {
  const extra: Buffer[] = []
  let operations = [...program.operations]
  for (const up of program.operations) {
    if (up.kind !== 'linear' || !up.multiply || up.activation || up.residual) continue
    const gate = operations.find((op): op is Linear => op.kind === 'linear' && op.out === up.multiply)
    if (!gate?.activation || gate.multiply || gate.residual || gate.gated || gate.x !== up.x) continue
    if (readers(operations, gate.out) !== 1 || !storedAlike(program, [gate, up])) continue
    const fused = joinProducts(program, [gate, up], `${gate.out}-up`, extra)
    const gated: Linear = { ...fused, activation: gate.activation, gated: true, out: up.out }
    operations = operations.filter((op) => op !== gate).map((op) => (op === up ? gated : op))
  }
  return rebuild(program, operations, extra)
}

/** The product that writes exactly this slice and nothing else reads. */
function plainProduct(
  program: Program,
  operations: readonly Operation[],
  slice: Slice,
  reader: QkvToCache,
): Linear | undefined {
  const product = operations.find((op): op is Linear => op.kind === 'linear' && op.out === slice.buffer)
  if (!product || product.activation || product.multiply || product.residual || product.gated) return undefined
  const others = operations.filter((op) => op !== reader && reads(op).includes(slice.buffer))
  const isWhole = slice.offset === 0 && slice.width === getBuffer(program, product.out).shape[1]
  return others.length === 0 && isWhole ? product : undefined
}

function storedAlike(program: Program, products: readonly Linear[]): boolean {
  return new Set(products.map((product) => getBuffer(program, product.weight).dtype)).size === 1
}

function joinProducts(program: Program, products: readonly Linear[], name: Ref, extra: Buffer[]): Linear {
  const weights = products.map((product) => getBuffer(program, product.weight))
  const rows = weights.map((weight) => weight.shape[0] as number)
  const total = rows.reduce((sum, count) => sum + count, 0)
  const [first] = weights as [Buffer, ...Buffer[]]
  const weight = addWeight(
    extra,
    first,
    `${name}.weight`,
    [total, first.shape[1] as number],
    weights.map((w) => w.source!),
  )
  const biases = products.map((product) => (product.bias ? getBuffer(program, product.bias) : undefined))
  const model = biases.find((bias) => bias !== undefined)
  const bias =
    model &&
    addWeight(
      extra,
      model,
      `${name}.bias`,
      [total],
      biases.map((buffer, i) => buffer?.source ?? zeros([rows[i]!])),
    )
  const out = getBuffer(program, products[0]!.out)
  extra.push({ ...out, name, shape: [out.shape[0]!, total] })
  return { kind: 'linear', x: products[0]!.x, weight, ...(bias && { bias }), out: name }
}

function addWeight(extra: Buffer[], model: Buffer, name: Ref, shape: number[], sources: WeightSource[]): Ref {
  extra.push({ name, kind: 'weight', dtype: model.dtype, shape, source: stack(...sources) })
  return name
}

function readers(operations: readonly Operation[], ref: Ref): number {
  return operations.filter((op) => reads(op).includes(ref)).length
}

import type { Moe } from '../../../program/operation.js'
import { struct } from '../../structs.js'
import { ACTIVATION, type KernelType, TYPE_BYTES } from '../codes.js'
import { type Address, ceilDiv, type Launch, type Places, parametersOf, type StepSizes } from './launch.js'
import { optional } from './optional.js'

export const MOE_ROUTE_PARAMS = struct({
  x: 'pointer',
  router: 'pointer',
  chosen: 'pointer',
  shares: 'pointer',
  hidden: 'i32',
  experts: 'i32',
  top_k: 'i32',
  renormalise: 'i32',
})

export const MOE_SORT_PARAMS = struct({
  chosen: 'pointer',
  starts: 'pointer',
  order: 'pointer',
  positions: 'pointer',
  picks: 'i32',
  experts: 'i32',
})

export const MOE_PRODUCT_PARAMS = struct({
  x: 'pointer',
  weight: 'pointer',
  bias: 'pointer',
  out: 'pointer',
  chosen: 'pointer',
  starts: 'pointer',
  order: 'pointer',
  picks: 'i32',
  experts: 'i32',
  top_k: 'i32',
  inputs: 'i32',
  outputs: 'i32',
  activation: 'i32',
})

export const MOE_COMBINE_PARAMS = struct({
  parts: 'pointer',
  shares: 'pointer',
  positions: 'pointer',
  out: 'pointer',
  hidden: 'i32',
  top_k: 'i32',
})

/** How the experts' products are computed: see native/cuda/moe/<form>.cuh, whose sizes these are. */
const FORMS = {
  plain: { threads: 256, rows: 32, outputs: 64, gatedOutputs: 64, shared: 0 },
  few: { threads: 128, rows: 8, outputs: 16, gatedOutputs: 16, shared: 0 },
  many: { threads: 256, rows: 128, outputs: 128, gatedOutputs: 64, shared: 3 * (128 + 128) * 32 * 2 },
} as const
type FormName = keyof typeof FORMS

/** `MOST_FEW_PICKS`, and `FEW_TOKENS`: with more tokens than that an expert's weights would be read again. */
const MOST_FEW_PICKS = 256
const FEW_TOKENS = 8

interface Sizes {
  readonly tokens: number
  /** Of all tokens together: topK for each. */
  readonly picks: number
  readonly hidden: number
  readonly inner: number
}

export function moeLaunches(op: Moe, at: Places, sizes: StepSizes): Launch[] {
  const tokens = at.rowsOf(op.x, sizes)
  if (tokens === 0) return []
  const type = at.typeOf(op.x)
  const size = { tokens, picks: tokens * op.topK, hidden: at.widthOf(op.x), inner: at.weight(op.down).columns }
  const form = formFor(op, at, type, size)
  const memory = layOut(op, at, type, size)
  // In the `few` form a pick's own number is its place.
  const sorted = form === 'few' ? {} : { order: memory.order, positions: memory.positions }
  const up = { x: at.of(op.x), weight: op.up, bias: op.upBias, out: memory.raised, order: sorted.order }
  const down = { x: memory.raised, weight: op.down, bias: op.downBias, out: memory.parts }
  const product = (kind: 'up' | 'gated' | 'down', places: Product, widths: Widths) =>
    productLaunch(op, at, { name: `moe_${kind}_${form}_${type}`, form, kind, size, memory, places, widths })
  return [
    routeLaunch(op, at, type, size, memory),
    ...(form === 'few' ? [] : [sortLaunch(op, size, memory)]),
    product(op.gated ? 'gated' : 'up', up, { inputs: size.hidden, outputs: size.inner }),
    product('down', down, { inputs: size.inner, outputs: size.hidden }),
    combineLaunch(op, at, type, size, memory, sorted.positions),
  ]
}

function formFor(op: Moe, at: Places, type: KernelType, { picks, hidden, inner }: Sizes): FormName {
  if (type === 'f32' || hidden % 8 > 0 || inner % 8 > 0) return 'plain'
  const few = picks <= MOST_FEW_PICKS && picks <= FEW_TOKENS * op.experts
  return few && !at.deterministic ? 'few' : 'many'
}

interface Memory {
  readonly chosen: Address
  readonly shares: Address
  readonly starts: Address
  readonly order: Address
  readonly positions: Address
  readonly raised: Address
  readonly parts: Address
}

function layOut(op: Moe, at: Places, type: KernelType, { picks, hidden, inner }: Sizes): Memory {
  const bytes = {
    chosen: picks * 4,
    shares: picks * 4,
    starts: (op.experts + 1) * 4,
    order: picks * 4,
    positions: picks * 4,
    raised: picks * inner * TYPE_BYTES[type],
    parts: picks * hidden * 4,
  }
  const aligned = Object.entries(bytes).map(([name, size]) => [name, ceilDiv(size, 256) * 256] as const)
  let next = at.scratch(aligned.reduce((sum, [, size]) => sum + size, 0))
  const places: Record<string, Address> = {}
  for (const [name, size] of aligned) {
    places[name] = next
    next += BigInt(size)
  }
  return places as unknown as Memory
}

function routeLaunch(op: Moe, at: Places, type: KernelType, { tokens, hidden }: Sizes, memory: Memory): Launch {
  const parameters = parametersOf(MOE_ROUTE_PARAMS, {
    x: at.of(op.x),
    router: at.weight(op.router).address,
    chosen: memory.chosen,
    shares: memory.shares,
    hidden,
    experts: op.experts,
    top_k: op.topK,
    renormalise: op.renormalise ? 1 : 0,
  })
  const shared = op.experts * 4
  return { module: 'moe', kernel: `moe_route_${type}`, grid: [tokens, 1, 1], threads: 256, shared, parameters }
}

function sortLaunch(op: Moe, { picks }: Sizes, { chosen, starts, order, positions }: Memory): Launch {
  const parameters = parametersOf(MOE_SORT_PARAMS, { chosen, starts, order, positions, picks, experts: op.experts })
  const threads = Math.min(1024, ceilDiv(picks, 32) * 32)
  return { module: 'moe', kernel: 'moe_sort', grid: [op.experts, 1, 1], threads, parameters }
}

interface Product {
  readonly x: Address
  readonly weight: string
  readonly bias?: string | undefined
  readonly out: Address
  readonly order?: Address | undefined
}

interface Widths {
  readonly inputs: number
  readonly outputs: number
}

interface ProductPlan {
  readonly name: string
  readonly form: FormName
  readonly kind: 'up' | 'gated' | 'down'
  readonly size: Sizes
  readonly memory: Memory
  readonly places: Product
  readonly widths: Widths
}

function productLaunch(op: Moe, at: Places, plan: ProductPlan): Launch {
  const { form, kind, memory, places, widths } = plan
  const { picks } = plan.size
  const { threads, rows, outputs, gatedOutputs, shared } = FORMS[form]
  const parameters = parametersOf(MOE_PRODUCT_PARAMS, {
    x: places.x,
    weight: at.weight(places.weight).address,
    bias: optional(places.bias, at),
    out: places.out,
    chosen: memory.chosen,
    starts: memory.starts,
    order: places.order,
    picks,
    experts: op.experts,
    top_k: kind === 'down' ? 1 : op.topK,
    ...widths,
    activation: kind === 'down' ? 0 : ACTIVATION[op.activation],
  })
  const columns = ceilDiv(widths.outputs, kind === 'gated' ? gatedOutputs : outputs)
  const dynamic = form === 'few' ? op.experts * 4 : shared
  return {
    module: 'moe',
    kernel: plan.name,
    grid: [columns, form === 'few' ? Math.min(op.experts, picks) : mostTiles(picks, op.experts, rows), 1],
    threads,
    ...(dynamic > 0 && { shared: dynamic }),
    parameters,
  }
}

/** However the picks fall to the experts: each but full tiles, and one begun for every expert. */
function mostTiles(picks: number, experts: number, rows: number): number {
  return Math.min(picks, Math.floor((picks + experts * (rows - 1)) / rows))
}

function combineLaunch(
  op: Moe,
  at: Places,
  type: KernelType,
  { tokens, hidden }: Sizes,
  { parts, shares }: Memory,
  positions: Address | undefined,
): Launch {
  const out = at.of(op.out)
  const parameters = parametersOf(MOE_COMBINE_PARAMS, { parts, shares, positions, out, hidden, top_k: op.topK })
  const threads = Math.min(256, ceilDiv(hidden, 32) * 32)
  const grid = [tokens, Math.min(ceilDiv(hidden, threads), 64), 1] as const
  return { module: 'moe', kernel: `moe_combine_${type}`, grid, threads, parameters }
}

import { WarplineError } from '../../../errors.js'
import type { Ref } from '../../../program/buffer.js'
import type { Linear, Logits } from '../../../program/operation.js'
import { struct, type Values } from '../../structs.js'
import { ACTIVATION, type KernelType } from '../codes.js'
import {
  ceilDiv,
  type DeviceWeight,
  type Grid,
  type Launch,
  type Places,
  parametersOf,
  type StepSizes,
} from './launch.js'
import { type ProductShape, planSkinny, WARPS } from './linear-plan.js'

/** `LinearParams` of native/cuda/linear/product.cuh. */
export const LINEAR_PARAMS = struct({
  weight: 'pointer',
  x: 'pointer',
  bias: 'pointer',
  multiply: 'pointer',
  residual: 'pointer',
  out: 'pointer',
  partial: 'pointer',
  rows: 'i32',
  inputs: 'i32',
  outputs: 'i32',
  x_stride: 'i32',
  out_stride: 'i32',
  activation: 'i32',
  gated: 'i32',
  wide: 'i32',
  scale: 'f32',
  soft_cap: 'f32',
  splits: 'i32',
  slice: 'i32',
  groups: 'i32',
  x_chunk: 'i32',
  prefetch: 'i32',
})

/** `EpilogueParams` of native/cuda/linear/epilogue.cu. */
export const EPILOGUE_PARAMS = struct({
  t: 'pointer',
  bias: 'pointer',
  multiply: 'pointer',
  residual: 'pointer',
  out: 'pointer',
  rows: 'i32',
  outputs: 'i32',
  out_stride: 'i32',
  activation: 'i32',
  gated: 'i32',
  splits: 'i32',
  t_wide: 'i32',
  wide: 'i32',
  scale: 'f32',
  soft_cap: 'f32',
})

type LinearParams = Values<typeof LINEAR_PARAMS.fields>
type EpilogueParams = Values<typeof EPILOGUE_PARAMS.fields>

/** A product with its operands in place, and the type of its activations and weight. */
interface Product {
  readonly type: KernelType
  readonly shape: ProductShape
  readonly parameters: LinearParams
}

/** out = activation(x weight^T + bias) * multiply + residual, or activation(gate) * up. */
export function linearLaunches(op: Linear, at: Places, sizes: StepSizes): Launch[] {
  const product = productOf(op, at, sizes)
  return launchesOf(product, at)
}

/** out = softCap(scale * (x weight^T + bias)), f32. */
export function logitsLaunches(op: Logits, at: Places, sizes: StepSizes): Launch[] {
  return launchesOf(productOf(op, at, sizes), at)
}

function launchesOf(product: Product, at: Places): Launch[] {
  const { type, shape } = product
  if (shape.rows === 0) return []
  const lanes = type === 'f32' ? 4 : 8
  const isAligned = shape.inputs % lanes === 0 && product.parameters.x_stride! % lanes === 0
  if (!isAligned) return [plainLaunch('plain', product, 8, 1)]
  if (type === 'f32')
    return [shape.rows > 1 ? plainLaunch('vector_8', product, 8, 2) : plainLaunch('vector_1', product, 1, 2)]
  return skinnyLaunches(product, at)
}

function plainLaunch(name: string, { type, shape, parameters }: Product, tokens: number, columns: number): Launch {
  return {
    module: 'linear/plain',
    kernel: `${name}_${type}`,
    grid: [ceilDiv(shape.outputs, WARPS * columns), ceilDiv(shape.rows, tokens), 1],
    threads: WARPS * 32,
    parameters: parametersOf(LINEAR_PARAMS, parameters),
  }
}

function skinnyLaunches({ type, shape, parameters }: Product, at: Places): Launch[] {
  const plan = planSkinny(shape, at.device, at.deterministic)
  const width = shape.gated ? 2 * shape.outputs : shape.outputs
  const partial = plan.partial ? at.scratch(4 * plan.splits * shape.rows * width) : 0n
  const launch: Launch = {
    module: 'linear/skinny',
    kernel: `skinny_${plan.tokens}_${type}`,
    grid: [plan.groups * plan.splits, ceilDiv(shape.rows, plan.tokens), 1],
    threads: WARPS * 32,
    shared: plan.shared,
    ...(plan.splits > 1 && !plan.partial && { cluster: plan.splits }),
    parameters: parametersOf(LINEAR_PARAMS, {
      ...parameters,
      partial,
      splits: plan.splits,
      slice: plan.slice,
      groups: plan.groups,
      x_chunk: plan.xChunk,
      prefetch: plan.prefetch,
    }),
  }
  if (!plan.partial) return [launch]
  const { bias, multiply, residual, out, rows, outputs, out_stride, activation, gated, wide, scale, soft_cap } =
    parameters
  const operands = {
    bias,
    multiply,
    residual,
    out,
    rows,
    outputs,
    out_stride,
    activation,
    gated,
    wide,
    scale,
    soft_cap,
  }
  return [launch, epilogueLaunch(type, { ...operands, t: partial, t_wide: 1, splits: plan.splits })]
}

/** What follows a product that another kernel computed, whose `t` is contiguous. */
export function epilogueLaunch(type: KernelType, parameters: EpilogueParams): Launch {
  const rows = parameters.rows ?? 0
  const outputs = parameters.outputs ?? 0
  const lanes = type === 'f32' ? 4 : 8
  const isAligned = outputs % lanes === 0 && parameters.out_stride! % lanes === 0
  return {
    module: 'linear/epilogue',
    kernel: `epilogue_${isAligned ? '' : 'any_'}${type}`,
    grid: [ceilDiv(outputs, 256 * (isAligned ? lanes : 1)), Math.min(rows, MOST_GRID_ROWS), 1] satisfies Grid,
    threads: 256,
    parameters: parametersOf(EPILOGUE_PARAMS, { splits: 1, scale: 1, ...parameters }),
  }
}

/** Most blocks of a grid along y. */
const MOST_GRID_ROWS = 65535

function productOf(op: Linear | Logits, at: Places, sizes: StepSizes): Product {
  const weight = at.weight(op.weight)
  const type = at.typeOf(op.x)
  check(op, weight, type, at)
  const gated = op.kind === 'linear' && op.gated === true
  const shape: ProductShape = {
    rows: at.rowsOf(op.out, sizes),
    inputs: weight.columns,
    outputs: gated ? weight.rows / 2 : weight.rows,
    gated,
  }
  const optional = (ref: Ref | undefined) => (ref === undefined ? 0n : at.of(ref))
  const parameters: LinearParams = {
    weight: weight.address,
    x: at.of(op.x),
    bias: optional(op.bias),
    out: at.of(op.out),
    rows: shape.rows,
    inputs: shape.inputs,
    outputs: shape.outputs,
    x_stride: at.widthOf(op.x),
    out_stride: at.widthOf(op.out),
    gated: gated ? 1 : 0,
    wide: at.typeOf(op.out) === 'f32' ? 1 : 0,
    splits: 1,
    slice: shape.inputs,
    ...(op.kind === 'linear' ? epilogueOf(op, optional) : { scale: op.scale ?? 1, soft_cap: op.softCap ?? 0 }),
  }
  return { type, shape, parameters }
}

function epilogueOf(op: Linear, optional: (ref: Ref | undefined) => bigint): LinearParams {
  return {
    multiply: optional(op.multiply),
    residual: optional(op.residual),
    activation: op.activation && ACTIVATION[op.activation],
    scale: 1,
  }
}

function check(op: Linear | Logits, weight: DeviceWeight, type: KernelType, at: Places): void {
  if (weight.type !== type) {
    throw new WarplineError('program-invalid', `${op.weight} is ${weight.type} and ${op.x} ${type}; choose one type`)
  }
  if (weight.columns !== at.widthOf(op.x)) {
    const problem = `${op.weight} has ${weight.columns} columns and ${op.x} ${at.widthOf(op.x)}`
    throw new WarplineError('program-invalid', `${problem}; they must be equal`)
  }
}

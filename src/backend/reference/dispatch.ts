import type { Communicator } from '../../parallel/communicator.js'
import type { Ref, Slice } from '../../program/buffer.js'
import type { HeadNorm, Operation, OperationKind, QkvToCache } from '../../program/operation.js'
import type { SampledRow, SamplingRow } from '../../program/step.js'
import { add } from './add.js'
import { attention } from './attention.js'
import { allGather, allReduce, receive, send } from './collectives.js'
import { copyBlocks } from './copy-blocks.js'
import { embed } from './embed.js'
import { gatherRows } from './gather-rows.js'
import { linear } from './linear.js'
import { logits } from './logits.js'
import { moe } from './moe.js'
import { norm } from './norm.js'
import { qkvToCache } from './qkv-to-cache.js'
import type { Rounding } from './rounding.js'
import { sample } from './sample.js'

/** A step as operations see it: names become arrays. */
export interface RunningStep {
  readonly blockSize: number
  /** Weights and caches whole, activations and inputs of this step's size. */
  floats(ref: Ref): Float32Array
  integers(ref: Ref): Int32Array
  /** The last dimension. */
  width(ref: Ref): number
  /** The first dimension, tokens and rows as numbers. */
  height(ref: Ref): number
  rounding(ref: Ref): Rounding
  /** Whether the host gave soft rows. */
  readonly hasSoftRows: boolean
  readonly sampling: readonly SamplingRow[]
  readonly sampled: SampledRow[]
  readonly tensorGroup: Communicator
  readonly stageGroup: Communicator
}

type Handler<K extends OperationKind> = (
  op: Extract<Operation, { kind: K }>,
  step: RunningStep,
) => undefined | Promise<void>

/** Runs one operation; a promise only where other ranks must be waited for. */
export function runOperation(op: Operation, step: RunningStep): undefined | Promise<void> {
  return (handlers[op.kind] as Handler<OperationKind>)(op, step)
}

const handlers: { readonly [K in OperationKind]: Handler<K> } = {
  embed(op, step) {
    embed({
      ids: step.integers(op.ids),
      table: step.floats(op.table),
      idOffset: op.idOffset,
      rows: op.rows !== undefined && step.hasSoftRows ? step.floats(op.rows) : undefined,
      scale: op.scale,
      positions: op.positions === undefined ? undefined : step.integers(op.positions),
      positionTable: optional(op.positionTable, step),
      positionOffset: op.positionOffset,
      out: step.floats(op.out),
      width: step.width(op.out),
    })
  },
  norm(op, step) {
    norm({
      norm: op.norm,
      epsilon: op.epsilon,
      x: step.floats(op.x),
      adds: op.adds.map((ref) => step.floats(ref)),
      weight: optional(op.weight, step),
      bias: optional(op.bias, step),
      sum: optional(op.sum, step),
      out: step.floats(op.out),
      rows: step.height(op.x),
      width: step.width(op.x),
    })
  },
  linear(op, step) {
    linear({
      x: step.floats(op.x),
      weight: step.floats(op.weight),
      bias: optional(op.bias, step),
      activation: op.activation,
      gated: op.gated,
      multiply: optional(op.multiply, step),
      residual: optional(op.residual, step),
      out: step.floats(op.out),
      rows: step.height(op.x),
      inputs: step.width(op.x),
      outputs: step.height(op.weight),
    })
  },
  add(op, step) {
    add(step.floats(op.x), step.floats(op.y), step.floats(op.out))
  },
  'qkv-to-cache'(op, step) {
    qkvToCache({
      q: columns(op.q, step),
      k: columns(op.k, step),
      v: columns(op.v, step),
      ...heads(op),
      queryNorm: headNorm(op.queryNorm, step),
      keyNorm: headNorm(op.keyNorm, step),
      rotary: rotary(op, step),
      positions: step.integers(op.positions),
      rotaryLengths: op.rotary?.dynamic && step.integers(op.rotary.dynamic.lengths),
      slots: step.integers(op.slots),
      keyCache: step.floats(op.keyCache),
      valueCache: step.floats(op.valueCache),
      out: step.floats(op.out),
      roundKey: step.rounding(op.keyCache),
      roundValue: step.rounding(op.valueCache),
    })
  },
  attention(op, step) {
    attention({
      q: step.floats(op.q),
      keyCache: step.floats(op.keyCache),
      valueCache: step.floats(op.valueCache),
      blockSize: step.blockSize,
      ...heads(op),
      scale: op.scale,
      window: op.window,
      softCap: op.softCap,
      alibi: optional(op.alibi, step),
      alibiScale: op.alibiScale,
      queryStarts: step.integers(op.queryStarts),
      contextLengths: step.integers(op.contextLengths),
      blockTables: step.integers(op.blockTables),
      out: step.floats(op.out),
    })
  },
  moe(op, step) {
    const { experts, topK, renormalise, gated, activation } = op
    moe({
      x: step.floats(op.x),
      router: step.floats(op.router),
      up: step.floats(op.up),
      upBias: optional(op.upBias, step),
      down: step.floats(op.down),
      downBias: optional(op.downBias, step),
      ...{ experts, topK, renormalise, gated, activation },
      out: step.floats(op.out),
      tokens: step.height(op.x),
      hidden: step.width(op.x),
      inner: step.width(op.down),
    })
  },
  'all-reduce': (op, step) => allReduce(step.tensorGroup, step.floats(op.x), step.floats(op.out)),
  'all-gather': (op, step) =>
    allGather(step.tensorGroup, step.floats(op.x), step.floats(op.out), step.height(op.x), step.width(op.x)),
  send: (op, step) => send(step.stageGroup, step.floats(op.x), op.to),
  receive: (op, step) => receive(step.stageGroup, op.from, step.floats(op.out)),
  'gather-rows'(op, step) {
    gatherRows(step.floats(op.x), step.integers(op.rows), step.floats(op.out), step.width(op.x))
  },
  'copy-blocks'(op, step) {
    const pairs = step.integers(op.pairs)
    if (pairs.length === 0) return
    for (const cache of op.caches) {
      const values = step.floats(cache)
      copyBlocks(values, pairs, values.length / step.height(cache))
    }
  },
  logits(op, step) {
    logits({
      x: step.floats(op.x),
      weight: step.floats(op.weight),
      bias: optional(op.bias, step),
      scale: op.scale,
      softCap: op.softCap,
      out: step.floats(op.out),
      rows: step.height(op.x),
      inputs: step.width(op.x),
      vocabulary: step.width(op.out),
    })
  },
  sample(op, step) {
    step.sampled.push(...sample(step.floats(op.logits), step.width(op.logits), step.sampling))
  },
}

function optional(ref: Ref | undefined, step: RunningStep): Float32Array | undefined {
  return ref === undefined ? undefined : step.floats(ref)
}

function columns({ buffer, offset }: Slice, step: RunningStep) {
  return { data: step.floats(buffer), stride: step.width(buffer), offset }
}

function heads({ heads, kvHeads, headDim }: { heads: number; kvHeads: number; headDim: number }) {
  return { heads, kvHeads, headDim }
}

function headNorm(norm: HeadNorm | undefined, step: RunningStep) {
  return norm && { ...norm, weight: optional(norm.weight, step), bias: optional(norm.bias, step) }
}

function rotary({ rotary }: QkvToCache, step: RunningStep) {
  return rotary && { ...rotary, frequencies: step.floats(rotary.frequencies) }
}

/**
 * Every operation once more, in float64 over nested arrays and in the most literal form of its formula, written without
 * looking at any backend: what operation cases expect.
 */
import type { Activation } from '../../src/program/operation.js'

export type Matrix = readonly (readonly number[])[]

export function matrix(values: ArrayLike<number>, width: number): number[][] {
  return Array.from({ length: values.length / width }, (_, r) =>
    Array.from({ length: width }, (_, i) => values[r * width + i]!),
  )
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

export function inner(a: readonly number[], b: readonly number[]): number {
  return sum(a.map((value, i) => value * b[i]!))
}

export function linear(x: Matrix, weight: Matrix, bias?: ArrayLike<number>): number[][] {
  return x.map((row) => weight.map((w, n) => inner(row, w) + (bias ? bias[n]! : 0)))
}

export function elementwise(x: Matrix, y: Matrix, f: (a: number, b: number) => number): number[][] {
  return x.map((row, r) => row.map((value, i) => f(value, y[r]![i]!)))
}

/** The normal distribution's integral by Simpson's rule. */
function normalCdf(x: number): number {
  const steps = 2 * Math.ceil(Math.abs(x) * 20 + 1)
  const density = (t: number) => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI)
  const width = x / steps
  const inside = Array.from({ length: steps - 1 }, (_, i) => (i % 2 === 0 ? 4 : 2) * density((i + 1) * width))
  return 0.5 + (width / 3) * (density(0) + sum(inside) + density(x))
}

export function activate(name: Activation, x: number): number {
  switch (name) {
    case 'relu':
      return Math.max(0, x)
    case 'relu2':
      return x > 0 ? x * x : 0
    case 'gelu':
      return x * normalCdf(x)
    case 'gelu-tanh': {
      const u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)
      return x / (1 + Math.exp(-2 * u))
    }
    case 'gelu-quick':
      return x / (1 + Math.exp(-1.702 * x))
    case 'silu':
      return x / (1 + Math.exp(-x))
    case 'tanh':
      return (Math.exp(x) - Math.exp(-x)) / (Math.exp(x) + Math.exp(-x))
  }
}

export function gate(x: Matrix, activation: Activation): number[][] {
  return x.map((row) => {
    const half = row.length / 2
    return row.slice(0, half).map((value, i) => activate(activation, value) * row[half + i]!)
  })
}

export interface NormOptions {
  readonly norm: 'layer' | 'rms'
  readonly epsilon: number
  readonly weight?: ArrayLike<number>
  readonly bias?: ArrayLike<number>
}

export function norm(row: readonly number[], { norm, epsilon, weight, bias }: NormOptions): number[] {
  const mean = norm === 'layer' ? sum(row) / row.length : 0
  const variance = sum(row.map((value) => (value - mean) ** 2)) / row.length
  return row.map((value, i) => ((value - mean) / Math.sqrt(variance + epsilon)) * (weight?.[i] ?? 1) + (bias?.[i] ?? 0))
}

export interface RotaryOptions {
  readonly dim: number
  readonly pairs: 'half' | 'interleaved'
  readonly frequencies: readonly number[]
  readonly scale: number
}

/** Each pair as a complex number, multiplied by scale * e^(i angle). */
export function rotate(head: readonly number[], position: number, rotary: RotaryOptions): number[] {
  const out = [...head]
  rotary.frequencies.forEach((frequency, i) => {
    const [re, im] = rotary.pairs === 'half' ? [i, i + rotary.dim / 2] : [2 * i, 2 * i + 1]
    const turn = {
      re: rotary.scale * Math.cos(position * frequency),
      im: rotary.scale * Math.sin(position * frequency),
    }
    out[re!] = head[re!]! * turn.re - head[im!]! * turn.im
    out[im!] = head[re!]! * turn.im + head[im!]! * turn.re
  })
  return out
}

export function heads(row: readonly number[], headDim: number): number[][] {
  return matrix(row, headDim)
}

export interface AttentionOptions {
  readonly scale: number
  readonly window?: number
  readonly softCap?: number
  /** Added to the score of the key at this position. */
  readonly bias: (key: number) => number
}

/** Eight significant bits, ties to even. */
export function roundToBf16(x: number): number {
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x) || 1)) - 7)
  const below = Math.floor(x / unit)
  const rest = x / unit - below
  const isUp = rest > 0.5 || (rest === 0.5 && below % 2 !== 0)
  return (below + (isUp ? 1 : 0)) * unit
}

/** One head of one query; keys and values of positions 0 .. position. */
export function attend(query: readonly number[], keys: Matrix, values: Matrix, options: AttentionOptions): number[] {
  const { scale, window = keys.length, softCap, bias } = options
  const position = keys.length - 1
  const scores = keys.map((key, j) => {
    if (position - j >= window) return Number.NEGATIVE_INFINITY
    const raw = scale * inner(query, key)
    return (softCap ? softCap * Math.tanh(raw / softCap) : raw) + bias(j)
  })
  const p = softmax(scores)
  return query.map((_, i) => sum(p.map((weight, j) => (weight === 0 ? 0 : weight * values[j]![i]!))))
}

export function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores)
  const powers = scores.map((score) => Math.exp(score - most))
  return powers.map((power) => power / sum(powers))
}

/** Indices of the largest, the earlier of equals. */
export function topK(values: readonly number[], count: number): number[] {
  const left = values.map((value, i) => ({ value, i }))
  return Array.from({ length: count }, () => {
    const best = left.reduce((a, b) => (b.value > a.value ? b : a))
    left.splice(left.indexOf(best), 1)
    return best.i
  })
}

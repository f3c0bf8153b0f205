import { headDim, type Shape } from '../shapes.js'

/** A tensor of a benchmark model, before any format: rows are outputs, columns inputs; a vector has one row. */
export interface Weight {
  /** `embedding`, `layers.3.up`, `layers.3.up.bias`, ... */
  readonly id: string
  readonly rows: number
  readonly columns: number
  readonly kind: 'matrix' | 'bias' | 'norm'
}

/** All tensors of a shape, in the order of the computation. */
export function weightsOf(shape: Shape): Weight[] {
  const { family, layers, hidden, vocabulary, positions } = shape
  const matrix = (id: string, rows: number, columns: number): Weight => ({ id, rows, columns, kind: 'matrix' })
  const layer = family === 'gpt2' ? gpt2Layer : llamaLayer
  return [
    matrix('embedding', vocabulary, hidden),
    ...(family === 'gpt2' ? [matrix('positions', positions, hidden)] : []),
    ...Array.from({ length: layers }, (_, i) => layer(shape, `layers.${i}`)).flat(),
    ...norm('norm', hidden, family === 'gpt2'),
    ...(family === 'gpt2' ? [] : [matrix('head', vocabulary, hidden)]),
  ]
}

function gpt2Layer({ hidden, inner }: Shape, at: string): Weight[] {
  return [
    ...norm(`${at}.attention-norm`, hidden, true),
    ...linear(`${at}.qkv`, 3 * hidden, hidden, true),
    ...linear(`${at}.output`, hidden, hidden, true),
    ...norm(`${at}.feed-forward-norm`, hidden, true),
    ...linear(`${at}.up`, inner, hidden, true),
    ...linear(`${at}.down`, hidden, inner, true),
  ]
}

function llamaLayer(shape: Shape, at: string): Weight[] {
  const { hidden, inner, kvHeads } = shape
  const kv = kvHeads * headDim(shape)
  return [
    ...norm(`${at}.attention-norm`, hidden, false),
    ...linear(`${at}.query`, hidden, hidden, false),
    ...linear(`${at}.key`, kv, hidden, false),
    ...linear(`${at}.value`, kv, hidden, false),
    ...linear(`${at}.output`, hidden, hidden, false),
    ...norm(`${at}.feed-forward-norm`, hidden, false),
    ...linear(`${at}.gate`, inner, hidden, false),
    ...linear(`${at}.up`, inner, hidden, false),
    ...linear(`${at}.down`, hidden, inner, false),
  ]
}

function linear(id: string, rows: number, columns: number, biased: boolean): Weight[] {
  const weight: Weight = { id, rows, columns, kind: 'matrix' }
  return biased ? [weight, { id: `${id}.bias`, rows: 1, columns: rows, kind: 'bias' }] : [weight]
}

function norm(id: string, size: number, biased: boolean): Weight[] {
  const weight: Weight = { id, rows: 1, columns: size, kind: 'norm' }
  return biased ? [weight, { id: `${id}.bias`, rows: 1, columns: size, kind: 'bias' }] : [weight]
}

/** What a benchmark model is made of. Its weights are random: speed does not depend on them. */
export interface Shape {
  readonly name: string
  readonly title: string
  readonly family: 'gpt2' | 'llama'
  readonly layers: number
  readonly hidden: number
  readonly heads: number
  readonly kvHeads: number
  readonly inner: number
  readonly vocabulary: number
  readonly positions: number
}

export type Family = Shape['family']
export const FAMILIES: readonly Family[] = ['gpt2', 'llama']

export const FULL: Readonly<Record<Family, Shape>> = {
  gpt2: {
    ...{ name: 'gpt2-124m', title: 'GPT-2 124M', family: 'gpt2', layers: 12, hidden: 768, heads: 12, kvHeads: 12 },
    ...{ inner: 3072, vocabulary: 50257, positions: 1024 },
  },
  llama: {
    ...{ name: 'llama-1.1b', title: 'Llama 1.1B', family: 'llama', layers: 22, hidden: 2048, heads: 32, kvHeads: 4 },
    ...{ inner: 5632, vocabulary: 32000, positions: 2048 },
  },
}

/** Small enough to run in seconds on any backend: shows that everything works, not how fast. */
export const TINY: Readonly<Record<Family, Shape>> = {
  gpt2: {
    ...{ name: 'gpt2-tiny', title: 'GPT-2 tiny', family: 'gpt2', layers: 2, hidden: 128, heads: 4, kvHeads: 4 },
    ...{ inner: 256, vocabulary: 509, positions: 256 },
  },
  llama: {
    ...{ name: 'llama-tiny', title: 'Llama tiny', family: 'llama', layers: 2, hidden: 128, heads: 4, kvHeads: 2 },
    ...{ inner: 192, vocabulary: 509, positions: 256 },
  },
}

export function headDim({ hidden, heads }: Shape): number {
  return hidden / heads
}

/** Multiplied weights of all layers, which every token of a prompt passes through. */
export function layerWeights(shape: Shape): number {
  const { family, layers, hidden, kvHeads, inner } = shape
  const attention = 2 * hidden * hidden + 2 * kvHeads * headDim(shape) * hidden
  return layers * (attention + (family === 'gpt2' ? 2 : 3) * hidden * inner)
}

/** Weights that turn a hidden state into logits: only the last token of a prompt passes through them. */
export function headWeights({ hidden, vocabulary }: Shape): number {
  return hidden * vocabulary
}

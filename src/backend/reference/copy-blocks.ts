/** Block `pairs[i][1]` becomes a copy of block `pairs[i][0]`. cache: [blocks, blockElements], pairs: [copies, 2]. */
export function copyBlocks(cache: Float32Array, pairs: Int32Array, blockElements: number): void {
  for (let i = 0; i < pairs.length; i += 2) {
    const from = pairs[i]! * blockElements
    cache.copyWithin(pairs[i + 1]! * blockElements, from, from + blockElements)
  }
}

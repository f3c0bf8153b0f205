/** Repeated measurements of one thing: the median, and half the distance between the quartiles. */
export interface Sample {
  readonly median: number
  readonly spread: number
  readonly values: readonly number[]
}

export function sample(values: readonly number[]): Sample {
  const sorted = [...values].sort((a, b) => a - b)
  return { median: quantile(sorted, 0.5), spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 2, values }
}

/** Of sorted values; linear between the neighbours. */
export function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q
  const low = Math.floor(at)
  const high = Math.min(low + 1, sorted.length - 1)
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low)
}

/** Round by round, for only what ran side by side compares. */
export function ratio(of: Sample, to: Sample): Sample {
  return sample(of.values.map((value, round) => value / to.values[round]!))
}

export function best<T extends { readonly rate: Sample }>(list: readonly T[]): T | undefined {
  return list.reduce<T | undefined>((top, item) => (top && top.rate.median >= item.rate.median ? top : item), undefined)
}

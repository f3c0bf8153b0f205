/** One figure beside its limit, and beside a rival's where one ran. */
export interface Row {
  readonly section: string
  readonly name: string
  readonly value: number
  readonly unit: 'ms' | 'tok/s' | 'GB/s' | 'TFLOP/s' | 'us'
  readonly limit: number
  /** value / limit */
  readonly ratio: number
  /** The ratio aimed at. */
  readonly target?: number | undefined
  readonly lowerIsBetter?: boolean
  readonly rival?: { readonly name: string; readonly value: number }
  readonly note?: string
}

export function isMissed({ ratio, target, lowerIsBetter }: Row): boolean {
  if (target === undefined) return false
  return lowerIsBetter ? ratio > target : ratio < target
}

export function lineOf(row: Row): string {
  const { name, value, unit, limit, ratio, target, rival, note } = row
  const goal = target === undefined ? '' : `target ${target}${isMissed(row) ? ' MISSED' : ''}`
  const beside = rival ? `${rival.name} ${format(rival.value)} (${(value / rival.value).toFixed(2)}x)` : ''
  const figures = [
    `${format(value)} ${unit}`.padStart(16),
    `limit ${format(limit)}`.padEnd(16),
    ratio.toFixed(3).padStart(7),
  ]
  return [name.padEnd(28), ...figures, goal.padEnd(18), beside, note ?? ''].join('  ').trimEnd()
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(4)
}

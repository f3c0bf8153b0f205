/** One figure beside its limit. */
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
  readonly note?: string
}

export function isMissed({ ratio, target, lowerIsBetter }: Row): boolean {
  if (target === undefined) return false
  return lowerIsBetter ? ratio > target : ratio < target
}

export function lineOf(row: Row): string {
  const { name, value, unit, limit, ratio, target, note } = row
  const goal = target === undefined ? '' : `target ${target}${isMissed(row) ? ' MISSED' : ''}`
  const figures = [
    `${format(value)} ${unit}`.padStart(16),
    `limit ${format(limit)}`.padEnd(16),
    ratio.toFixed(3).padStart(7),
  ]
  return [name.padEnd(28), ...figures, goal.padEnd(18), note ?? ''].join('  ').trimEnd()
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(4)
}

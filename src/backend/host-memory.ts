import { freemem } from 'node:os'

const BUDGET_SHARE = 0.75

/** Bytes of main memory that a model may take: what is free, or what a container's limit leaves, with room for the rest. */
export function hostMemoryBudget(): number {
  return Math.floor(BUDGET_SHARE * Math.min(freemem(), roomInContainer()))
}

/** Infinite where there is no limit. */
function roomInContainer(): number {
  const limit = process.constrainedMemory?.() ?? 0
  return limit > 0 ? Math.max(0, limit - process.memoryUsage.rss()) : Number.POSITIVE_INFINITY
}

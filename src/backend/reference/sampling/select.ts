/**
 * The id of the largest value, the lowest on a tie. -1 if there is none to speak of: a value is NaN or Infinity, or all
 * are -Infinity.
 */
export function largest(values: Float32Array): number {
  let id = -1
  let best = -Infinity
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value > best) {
      best = value
      id = i
    } else if (Number.isNaN(value)) {
      return -1
    }
  }
  return best === Infinity ? -1 : id
}

/** The ids of the `count` largest values, largest first, ties by lowest id; values of -Infinity are never among them. */
export function largestIds(values: Float32Array, count: number): Int32Array {
  if (count <= 0) return new Int32Array(0)
  const border = kthLargest(values, count)
  const above: number[] = []
  const tied: number[] = []
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value > border) above.push(i)
    else if (value === border && value > -Infinity && tied.length < count) tied.push(i)
  }
  above.sort((a, b) => values[b]! - values[a]! || a - b)
  return Int32Array.from(above.concat(tied).slice(0, count))
}

/**
 * The k-th largest value (the smallest if there are fewer), found by partitioning a copy: Hoare's FIND with the median of
 * three as pivot, linear time on average. No value may be NaN.
 */
export function kthLargest(values: Float32Array, k: number): number {
  const rest = values.slice()
  const place = Math.min(k, rest.length) - 1
  let first = 0
  let last = rest.length - 1
  while (first < last) {
    const pivot = median(rest[first]!, rest[(first + last) >>> 1]!, rest[last]!)
    let i = first
    let j = last
    while (i <= j) {
      while (rest[i]! > pivot) i++
      while (rest[j]! < pivot) j--
      if (i <= j) {
        const moved = rest[i]!
        rest[i++] = rest[j]!
        rest[j--] = moved
      }
    }
    if (place <= j) last = j
    else if (place >= i) first = i
    else break
  }
  return rest[place]!
}

function median(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
}

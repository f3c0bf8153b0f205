import { EDGE } from './automaton.js'
import type { Edge, Network } from './compile.js'
import { invalidGrammar, tooComplex } from './errors.js'

/**
 * Takes out all edges that lead nowhere, so that whatever is begun can be finished. False where nothing is left. Each edge is
 * looked at once for each node that it needs.
 */
export function pruneDeadEnds(network: Network): boolean {
  const finishes = reachEnd(network, (edge, ends) => needs(edge, network).every((node) => ends(node)))
  // They never end, and only stand in for counted repetitions that do.
  const standIns = new Set(network.repeats.map(({ endless }) => endless))
  for (const [node, edges] of network.edges.entries()) {
    if (standIns.has(node)) continue
    network.edges[node] = edges
      .filter((edge) => needs(edge, network).every((each) => finishes[each]))
      .map((edge) => (edge.kind === EDGE.repeat && !finishes[edge.a] ? { ...edge, kind: EDGE.empty } : edge))
  }
  return finishes[network.start]!
}

/** What must come to an end so that the edge can be taken. */
function needs({ kind, a, b, target }: Edge, { repeats }: Network): number[] {
  if (kind === EDGE.call || (kind === EDGE.repeat && repeats[b]!.min > 0)) return [a, target]
  return [target]
}

/**
 * Refuses parts that begin with themselves, through whatever other parts: each of them would be entered for ever
 * before anything is read. Errors: `grammar-invalid`.
 */
export function checkRecursion(network: Network): void {
  const nullable = reachEnd(network, ({ kind, a, b, target }, ends) => {
    if (kind === EDGE.empty) return ends(target)
    if (kind === EDGE.call) return ends(a) && ends(target)
    return kind === EDGE.repeat && network.repeats[b]!.min === 0 && ends(target)
  })
  const steps = (node: number) =>
    network.edges[node]!.flatMap(({ kind, a, b, target }) => {
      if (kind === EDGE.empty) return [{ to: target, enters: false }]
      if (kind === EDGE.call) return [{ to: a, enters: true }, ...(nullable[a] ? [{ to: target, enters: false }] : [])]
      if (kind !== EDGE.repeat) return []
      return [{ to: a, enters: true }, ...(network.repeats[b]!.min === 0 ? [{ to: target, enters: false }] : [])]
    })
  const repeatsNothing = network.edges.some((list) => list.some(({ kind, a }) => kind === EDGE.repeat && nullable[a]))
  if (repeatsNothing) throw tooComplex('it repeats something that may be empty many times')
  const component = components(network.edges.length, (node) => steps(node).map(({ to }) => to))
  for (let node = 0; node < network.edges.length; node++) {
    if (steps(node).some(({ to, enters }) => enters && component[to] === component[node])) {
      throw invalidGrammar('a rule begins with itself (left recursion); write repetition as item (separator item)*')
    }
  }
}

/** Nodes from which an end is reached, where `passes` says whether an edge may be passed if `ends` holds for some nodes. */
function reachEnd(network: Network, passes: (edge: Edge, ends: (node: number) => boolean) => boolean): boolean[] {
  const { edges, ends } = network
  const waiting: [number, Edge][][] = edges.map(() => [])
  for (const [node, list] of edges.entries()) {
    for (const edge of list) {
      waiting[edge.target]!.push([node, edge])
      if (edge.kind === EDGE.call || edge.kind === EDGE.repeat) waiting[edge.a]!.push([node, edge])
    }
  }
  const reached = [...ends]
  const queue = reached.flatMap((end, node) => (end ? [node] : []))
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    for (const [from, edge] of waiting[node]!) {
      if (reached[from] || !passes(edge, (each) => reached[each]!)) continue
      reached[from] = true
      queue.push(from)
    }
  }
  return reached
}

/** Strongly connected components (Tarjan 1972), without recursion. */
function components(count: number, next: (node: number) => readonly number[]): Int32Array {
  const component = new Int32Array(count).fill(-1)
  const order = new Int32Array(count).fill(-1)
  const low = new Int32Array(count)
  const stack: number[] = []
  let visited = 0
  let found = 0
  for (let root = 0; root < count; root++) {
    if (order[root] !== -1) continue
    const path: { node: number; steps: readonly number[]; at: number }[] = []
    const enter = (node: number) => {
      order[node] = low[node] = visited++
      stack.push(node)
      path.push({ node, steps: next(node), at: 0 })
    }
    enter(root)
    while (path.length > 0) {
      const top = path.at(-1)!
      const to = top.steps[top.at++]
      if (to !== undefined) {
        if (order[to] === -1) enter(to)
        else if (component[to] === -1) low[top.node] = Math.min(low[top.node]!, order[to]!)
        continue
      }
      path.pop()
      const parent = path.at(-1)
      if (parent) low[parent.node] = Math.min(low[parent.node]!, low[top.node]!)
      if (low[top.node] !== order[top.node]) continue
      for (let node = -1; node !== top.node; ) {
        node = stack.pop()!
        component[node] = found
      }
      found++
    }
  }
  return component
}

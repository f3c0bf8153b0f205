import type { Ref } from '../../program/buffer.js'
import type { StepInputs } from '../../program/step.js'
import type { Context, DeviceRegion } from './driver/context.js'
import type { Graph } from './driver/graph.js'
import type { Stream } from './driver/stream.js'
import { InputLayout } from './input-layout.js'
import type { StepSizes } from './launch/launch.js'
import type { LinearProducts } from './linear-products.js'
import { PlanPlaces, type Residents, ScratchTooSmall } from './places.js'
import { type Plan, planStep, runWork } from './plan.js'
import type { StepBuffers } from './step-buffers.js'
import { keyOf, shapeOf } from './step-sizes.js'

/** Graphs of steps of exact sizes (prompts) that are kept beside those of decode batches. */
const MOST_EXACT = 32

export interface StepsOptions {
  readonly residents: Residents
  readonly inputs: ReadonlySet<Ref>
  readonly products: LinearProducts | undefined
  readonly maxTokens: number
  /** Most tokens that the cache can hold of one sequence. */
  readonly longestContext: number
  /** False: kernels are launched one by one, for tests. */
  readonly graphs: boolean
}

interface Entry {
  readonly plan: Plan
  /** Whether many steps share its sizes. */
  readonly padded: boolean
  uses: number
  graph?: Graph
}

export type PlannedStep = Entry

/**
 * Plans by sizes, and graphs of those that come again: a padded decode step's at once, another's when its sizes are met a second time.
 */
export class Steps {
  private readonly entries = new Map<string, Entry>()
  private scratch: DeviceRegion
  private readonly early: boolean

  constructor(
    private readonly context: Context,
    private readonly stream: Stream,
    private readonly buffers: StepBuffers,
    private readonly options: StepsOptions,
  ) {
    this.scratch = context.allocate(2 ** 20)
    this.early = context.device.architecture >= 90
    context.onClose(() => this.closeGraphs())
  }

  /** The plan of a step. */
  find(inputs: StepInputs): PlannedStep {
    const { sizes, padded } = shapeOf(inputs, { tokens: this.options.maxTokens, context: this.options.longestContext })
    const key = keyOf(sizes)
    let entry = this.entries.get(key)
    if (entry) this.entries.delete(key)
    else {
      entry = { plan: this.plan(sizes), padded, uses: 0 }
      if (!padded) this.forgetOldest()
    }
    // The one used last stands last.
    this.entries.set(key, entry)
    return entry
  }

  run(entry: PlannedStep): void {
    const { plan } = entry
    entry.uses++
    const worthwhile = entry.padded || entry.uses > 1
    if (this.options.graphs && worthwhile && !entry.graph) {
      entry.graph = this.stream.capture(() => runWork(plan.work, this.stream, this.early))
    }
    if (entry.graph) this.stream.replay(entry.graph)
    else runWork(plan.work, this.stream, this.early)
  }

  /** Memory that plans name has moved; the device is idle. */
  forgetAll(): void {
    this.closeGraphs()
    this.entries.clear()
  }

  private plan(sizes: StepSizes): Plan {
    const { residents, inputs, products } = this.options
    const layout = new InputLayout(sizes, residents.tableStride, inputs)
    for (;;) {
      const places = new PlanPlaces(residents, layout, this.buffers.inputs, this.scratch)
      const sampling = this.buffers.samplingPlaces(layout.bytes)
      try {
        const sources = { program: residents.program, places, sampling, products }
        return planStep(sources, sizes, layout)
      } catch (error) {
        if (!(error instanceof ScratchTooSmall)) throw error
        this.growScratch(error.bytes)
      }
    }
  }

  /** All plans name the old memory: they are made anew. */
  private growScratch(bytes: number): void {
    this.stream.synchronize()
    this.forgetAll()
    this.context.release(this.scratch)
    this.scratch = this.context.allocate(Math.ceil(bytes * 1.25))
  }

  private forgetOldest(): void {
    const exact = [...this.entries].filter(([, { padded }]) => !padded)
    if (exact.length < MOST_EXACT) return
    const [key, entry] = exact[0]!
    this.entries.delete(key)
    if (!entry.graph) return
    this.stream.synchronize()
    entry.graph.close()
  }

  private closeGraphs(): void {
    for (const entry of this.entries.values()) {
      entry.graph?.close()
      delete entry.graph
    }
  }
}

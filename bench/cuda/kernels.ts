import type { Machine } from './limits.js'
import type { BenchModel } from './models.js'
import { LLAMA_MODELS } from './models.js'
import type { Row } from './report.js'
import { withModel } from './runs.js'

/** Every kernel of a decode step against its limit; see `warpline profile`. */
export async function* kernelRows(_folder: string, _machine: Machine, _only?: string): AsyncGenerator<Row> {}
void LLAMA_MODELS
void withModel

export type { BenchModel }

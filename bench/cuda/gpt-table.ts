import { type Machine, requestLimit } from './limits.js'
import { GPT_MODELS } from './models.js'
import type { Row } from './report.js'
import { medianRequest, withModel } from './runs.js'

const BATCHES = [1, 2, 4, 8, 16, 32, 64]
const LENGTHS = [
  [128, 8],
  [512, 32],
] as const
/** Times of the limit that each shape may take. */
const TARGETS = { '6.7B': 1.15, '1.3B': 1.3, '350M': 2 } as const

/** The rows of FasterTransformer's guide: whole requests, FP16, batch/in/out. */
export async function* gptTable(folder: string, machine: Machine, only?: string): AsyncGenerator<Row> {
  for (const [name, model] of Object.entries(GPT_MODELS) as [keyof typeof GPT_MODELS, (typeof GPT_MODELS)['6.7B']][]) {
    if (only && !name.includes(only)) continue
    const options = { folder, maxSequences: 64, maxBatchTokens: 8192, contextLength: 1024, dtype: 'f16' } as const
    const rows = await withModel(model, options, async (llm) => {
      const done: Row[] = []
      for (const [input, output] of LENGTHS) {
        for (const batch of BATCHES) {
          const { total, first } = await medianRequest(llm, batch, input, output)
          const limit = requestLimit(model, batch, input, output, machine) * 1000
          done.push({
            section: 'gpt',
            name: `${name} ${batch}/${input}/${output}`,
            value: total,
            unit: 'ms',
            limit,
            ratio: total / limit,
            target: TARGETS[name],
            lowerIsBetter: true,
            note: `first ${first.toFixed(2)} ms, ${((total - first) / (output - 1)).toFixed(3)} ms a token`,
          })
        }
      }
      return done
    })
    yield* rows
  }
}

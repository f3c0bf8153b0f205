import * as naive from '../naive.js'
import { Random } from '../random.js'
import { stepInputs } from '../steps.js'
import { CaseBuilder } from './builder.js'
import type { OperationCase } from './case.js'

const VOCABULARY = 19

interface EmbedForm {
  readonly tokens: number
  readonly width: number
  readonly scale?: number
  /** Learned positions whose table has this many rows in front. */
  readonly offset?: number
  /** The ids themselves are moved down the table. */
  readonly idOffset?: number
  /** Every third token brings its own row. */
  readonly soft?: boolean
}

export const embedCases: OperationCase[] = [
  embedCase({ tokens: 1, width: 1 }),
  embedCase({ tokens: 3, width: 17 }),
  embedCase({ tokens: 17, width: 255, scale: 4.5 }),
  embedCase({ tokens: 5, width: 64, offset: 0 }),
  embedCase({ tokens: 5, width: 3, offset: 2, scale: 0.5 }),
  embedCase({ tokens: 7, width: 17, idOffset: 2 }),
  embedCase({ tokens: 7, width: 17, soft: true }),
  embedCase({ tokens: 17, width: 64, soft: true, scale: 8, offset: 1 }),
]

function embedCase(form: EmbedForm): OperationCase {
  const { tokens, width, scale, offset, idOffset = 0, soft = false } = form
  return {
    operation: 'embed',
    name: `embed ${JSON.stringify(form)}`,
    bound: 1e-6,
    build(storage) {
      const b = new CaseBuilder(storage, [tokens], width)
      const random = new Random(tokens)
      const places = b.maxTokens + (offset ?? 0)
      const table = naive.matrix(b.weight('table', [VOCABULARY + idOffset, width]), width)
      const positions = offset === undefined ? undefined : naive.matrix(b.vector('places', [places, width]), width)
      b.add({
        kind: 'embed',
        ids: b.input('ids'),
        table: 'table',
        ...(soft && { rows: b.softRows(width) }),
        ...(scale !== undefined && { scale }),
        ...(idOffset && { idOffset }),
        ...(positions && { positions: b.input('positions'), positionTable: 'places', positionOffset: offset }),
        out: b.activation('out', 'tokens', width),
      })
      const ids = Array.from({ length: tokens }, (_, t) => (soft && t % 3 === 1 ? -1 : random.below(VOCABULARY)))
      const softRows = random.exact(tokens * width)
      const own = naive.matrix(softRows, width)
      const expected = ids.map((id, t) =>
        (id === -1 ? own[t]! : table[id + idOffset]!).map(
          (value, i) => value * (scale ?? 1) + (positions ? positions[t + offset!]![i]! : 0),
        ),
      )
      const built = b.finish('out', expected.flat())
      const { blockSize } = storage
      const blocks = Array.from({ length: Math.ceil(b.maxTokens / blockSize) }, (_, i) => i)
      const step = (ids: readonly number[], options: { softRows?: Float32Array }) =>
        stepInputs([{ ids, cached: 0, blocks }], { blockSize, rows: 'all', want: 'hidden', ...options })
      const staleIds = Array.from({ length: b.maxTokens }, () => random.below(VOCABULARY))
      return { ...built, stale: step(staleIds, {}), steps: [step(ids, soft ? { softRows } : {})] }
    },
  }
}

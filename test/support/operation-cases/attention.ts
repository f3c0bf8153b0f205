import type { OperationCase } from './case.js'
import { type AttentionForm, buildAttention, type ScheduledStep } from './paged-attention.js'

/** Prompts of odd lengths, then chunks and single tokens beside each other; one sequence is longer than two blocks. */
const RAGGED: readonly ScheduledStep[] = [
  {
    adds: [
      [0, 1],
      [1, 17],
      [2, 35],
    ],
  },
  {
    adds: [
      [1, 1],
      [0, 5],
      [2, 1],
    ],
  },
  {
    adds: [
      [3, 3],
      [2, 16],
      [0, 1],
    ],
  },
]
const SHORT: readonly ScheduledStep[] = [
  {
    adds: [
      [0, 19],
      [1, 4],
    ],
  },
  {
    adds: [
      [0, 1],
      [1, 1],
    ],
  },
]
const LONG: readonly ScheduledStep[] = [
  {
    adds: [
      [0, 120],
      [1, 9],
    ],
  },
  {
    adds: [
      [0, 1],
      [1, 135],
    ],
  },
  { adds: [[1, 1]] },
]
const HALF = { dim: 16, pairs: 'half' } as const
const SMALL = { heads: 3, kvHeads: 3, headDim: 16, schedule: RAGGED }

export const attentionCases: OperationCase[] = [
  attentionCase({ ...SMALL }),
  attentionCase({ ...SMALL, schedule: LONG }),
  ...[64, 80, 96, 128, 256].map((headDim) => attentionCase({ heads: 2, kvHeads: 1, headDim, schedule: SHORT })),
  attentionCase({ heads: 1, kvHeads: 1, headDim: 6, schedule: RAGGED }),
  attentionCase({ ...SMALL, heads: 8, kvHeads: 2 }),
  attentionCase({ ...SMALL, heads: 5, kvHeads: 1 }),
  ...[1, 2, 16, 17, 20].map((window) => attentionCase({ ...SMALL, window })),
  attentionCase({ ...SMALL, softCap: 0.25 }),
  attentionCase({ ...SMALL, alibi: true }),
  attentionCase({ ...SMALL, schedule: LONG, alibi: true, alibiScale: 0.25 }),
  // Scores whose exponentials overflow unless the largest is taken off; float32 knows them only to a few 1e-4.
  { ...attentionCase({ ...SMALL, scale: 400 }), bound: 2e-3 },
  attentionCase({ heads: 4, kvHeads: 2, headDim: 64, schedule: LONG, window: 50, softCap: 2, alibi: true }),
]

function attentionCase(form: AttentionForm): OperationCase {
  return caseOf('attention', form)
}

export const qkvCases: OperationCase[] = [true, false].flatMap((readQueries) =>
  [
    { ...SMALL, fused: true },
    { ...SMALL, rotary: HALF },
    { ...SMALL, rotary: { dim: 16, pairs: 'interleaved' } as const },
    { ...SMALL, heads: 4, kvHeads: 2, rotary: { dim: 6, pairs: 'half', scale: 1.25 } as const, fused: true },
    { ...SMALL, rotary: { dim: 6, pairs: 'interleaved', scale: 0.5 } as const },
    { ...SMALL, rotary: HALF, dynamicFrom: 7 },
    { ...SMALL, headNorm: 'rms' as const, rotary: HALF },
    { ...SMALL, headNorm: 'layer' as const, heads: 6, rotary: HALF, fused: true },
    { heads: 2, kvHeads: 1, headDim: 128, schedule: SHORT, rotary: { dim: 128, pairs: 'half' } as const },
  ].map((form) => caseOf('qkv-to-cache', { ...form, readQueries })),
)

const FORKED: readonly (readonly ScheduledStep[])[] = [
  [
    { adds: [[0, 5]] },
    {
      forks: [[0, 1]],
      adds: [
        [0, 1],
        [1, 1],
      ],
    },
    {
      adds: [
        [0, 1],
        [1, 1],
      ],
    },
  ],
  [
    {
      adds: [
        [0, 37],
        [1, 3],
      ],
    },
    {
      forks: [
        [0, 2],
        [0, 3],
        [1, 4],
      ],
      adds: [
        [0, 1],
        [1, 2],
        [2, 1],
        [3, 4],
        [4, 1],
      ],
    },
    {
      forks: [[3, 5]],
      adds: [
        [5, 1],
        [3, 1],
        [2, 15],
      ],
    },
  ],
]

export const copyBlocksCases = FORKED.map((schedule) => caseOf('copy-blocks', { ...SMALL, schedule }))

function caseOf(operation: OperationCase['operation'], form: AttentionForm): OperationCase {
  const { schedule, ...shown } = form
  const lengths = schedule.map(({ adds }) => adds.map(([, count]) => count).join('+')).join(', ')
  return {
    operation,
    name: `${operation} ${JSON.stringify(shown)} tokens ${lengths}`,
    bound: 2e-6,
    build: (storage) => buildAttention(form, storage),
  }
}

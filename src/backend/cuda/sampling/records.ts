import { struct } from '../../structs.js'

/** `SampleRequest` of native/cuda/sample/record.cuh. */
export const SAMPLE_REQUEST = struct({
  top_p: 'f64',
  repetition: 'f64',
  presence: 'f64',
  frequency: 'f64',
  mode: 'i32',
  inverse_temperature: 'f32',
  top_k: 'i32',
  log_min_p: 'f32',
  seed_low: 'i32',
  seed_high: 'i32',
  position: 'i32',
  sample_index: 'i32',
  edits_at: 'i32',
  edits: 'i32',
  allowed_at: 'i32',
  report: 'i32',
  target: 'i32',
  top: 'i32',
  candidates: 'i32',
  lists_at: 'i32',
})

/** `SampleEdit`: a token whose logit is changed. */
export const SAMPLE_EDIT = struct({ id: 'i32', count_and_flags: 'i32', bias: 'f32', raw: 'f32' })

/** `SampleResult`. */
export const SAMPLE_RESULT = struct({
  token: 'i32',
  failure: 'i32',
  rank: 'i32',
  logprob: 'f32',
  top: 'i32',
  candidates: 'i32',
  reserved0: 'i32',
  reserved1: 'i32',
})

/** `SampleMode`: `skip` for rows that only fill up a graph's bucket. */
export const SAMPLE_MODE = { skip: 0, draw: 1, beam: 2, score: 3 } as const

/** `SampleFailure`, by number. */
export const SAMPLE_FAILURES = [undefined, 'logits-not-finite', 'nothing-allowed'] as const

/** `EditFlags`. */
export const EDIT_FLAGS = { inHistory: 1, banned: 2 } as const

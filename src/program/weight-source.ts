/**
 * `repeat` runs of `length` rows, the first at `start`, each `stride` rows after the one before. Picks, for example,
 * every head's query rows out of a checkpoint that interleaves query, key and value head by head.
 */
export interface StridedRows {
  readonly start: number
  readonly length: number
  readonly stride: number
  readonly repeat: number
  /** Rows of the whole tensor, where known; a checkpoint with another count is refused. */
  readonly total?: number
}

/** Rows of one checkpoint tensor; a vector counts as rows of one element. */
export interface TensorPart {
  readonly kind: 'tensor'
  readonly tensor: string
  /** Shape of this part as it stands in the program, rows first: `[rows, columns]`, or `[rows]` for a vector. */
  readonly shape: readonly number[]
  /** The checkpoint stores `[columns, rows]`, as GPT-2's Conv1D does. */
  readonly transposed: boolean
  /** Which rows (after transposition); all when absent. */
  readonly rows?: StridedRows
  /** Which columns (after transposition): a tensor-parallel slice of a row-split product; all when absent. */
  readonly columns?: { readonly start: number; readonly length: number }
  /** Added to every element: Gemma stores its norm weights minus one. */
  readonly plus?: number
}

/** Rows that no checkpoint holds: the bias of a projection that has none, fused with ones that have. */
export interface ZeroPart {
  readonly kind: 'zeros'
  readonly shape: readonly number[]
}

/** Values computed from the configuration: rotary frequencies, ALiBi slopes. */
export interface ConstantPart {
  readonly kind: 'constant'
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

export type WeightPart = TensorPart | ZeroPart | ConstantPart

/** A weight is its parts one below the other: fusing two products joins their parts. */
export interface WeightSource {
  readonly parts: readonly WeightPart[]
}

/** A whole tensor as a checkpoint stores it. */
export function tensor(
  name: string,
  shape: readonly number[],
  options: { transposed?: boolean; rows?: StridedRows; plus?: number } = {},
): WeightSource {
  const { transposed = false, rows, plus } = options
  return { parts: [{ kind: 'tensor', tensor: name, shape, transposed, ...(rows && { rows }), ...(plus && { plus }) }] }
}

export function constant(values: readonly number[], shape: readonly number[] = [values.length]): WeightSource {
  return { parts: [{ kind: 'constant', shape, values }] }
}

export function zeros(shape: readonly number[]): WeightSource {
  return { parts: [{ kind: 'zeros', shape }] }
}

/** Parts below each other; columns must agree. */
export function stack(...sources: readonly WeightSource[]): WeightSource {
  return { parts: sources.flatMap((source) => source.parts) }
}

/** Shape of the stacked parts. */
export function sourceShape(source: WeightSource): number[] {
  const [first] = source.parts
  if (!first) return []
  const rows = source.parts.reduce((sum, part) => sum + part.shape[0]!, 0)
  return [rows, ...first.shape.slice(1)]
}

/** Where weights come from; `weights/weight-reader.ts` reads checkpoints. */
export interface WeightReader {
  /** `count` rows of a stacked source from `first`, row-major; none at all only checks that the source can be read. */
  readRows(source: WeightSource, first: number, count: number): Promise<Float32Array>
  /** The bytes that the values come from; absent where they do not come from bytes. */
  readonly raw?: RawWeights
  /** How the values are made, where they are made up: a backend may then make them itself. */
  random?(part: TensorPart): RandomValues
}

/** Element i of a part is mean + scale * sqrt(3) * u, u in [-1, 1) from a hash of (seed, i); see weights/random-weights.ts. */
export interface RandomValues {
  /** 32 bits. */
  readonly seed: number
  readonly mean: number
  /** Standard deviation. */
  readonly scale: number
}

/** Element types that are handed out as they are stored, little-endian. */
export type RawType = 'f32' | 'f16' | 'bf16'

/**
 * Rows of a source within a span: `rows` of them from row `first` of the source on, each of `columns` elements. Element
 * (r, c) of these is number `start + r * rowStride + c * columnStride` of the span.
 */
export interface RawView {
  readonly first: number
  readonly rows: number
  readonly columns: number
  readonly start: number
  readonly rowStride: number
  readonly columnStride: number
}

/** Consecutive elements of one checkpoint tensor, read in one piece, and the rows of the source that stand in them. */
export interface RawSpan {
  readonly tensor: string
  readonly type: RawType
  /** Of the tensor's elements, the first of the span. */
  readonly start: number
  readonly elements: number
  readonly bytes: number
  readonly views: readonly RawView[]
}

/** Weights as a checkpoint stores them, for backends that convert, transpose and pack by themselves. */
export interface RawWeights {
  /**
   * A whole source as spans whose views together hold each of its rows once. No span is larger than `mostBytes` unless it is
   * a single row or a transposed tensor, whose rows lie scattered over all of it. Undefined where `readRows` is needed
   * because a part is computed (zeros, constants, something added) or of another element type. Reads nothing; throws
   * what `readRows` throws for a source that does not fit.
   */
  spans(source: WeightSource, mostBytes: number): RawSpan[] | undefined
  /** Fills `target`, which has exactly the span's bytes: any memory, pinned or another library's. Any number at a time. */
  read(span: RawSpan, target: Uint8Array): Promise<void>
}

import { WarplineError } from '../errors.js'
import { type CheckpointDtype, DTYPE_BYTES, isCheckpointDtype } from './dtype.js'
import { JsonReader, quoted } from './strict-json.js'

/** Where a tensor lies. */
export interface TensorInfo {
  readonly name: string
  readonly dtype: CheckpointDtype
  /** Outermost dimension first; empty for a scalar. */
  readonly shape: readonly number[]
  /** First byte, counted from the start of the file. */
  readonly byteOffset: number
  readonly byteLength: number
  /** Path of the file that holds it. */
  readonly file: string
}

export interface SafetensorsHeader {
  /** In the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: ReadonlyMap<string, string>
}

interface RawTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

const MAX_RANK = 64

/** A damaged or hostile file: what is wrong, and where. */
export function corrupt(file: string, problem: string, options?: ErrorOptions): WarplineError {
  return new WarplineError(
    'checkpoint-corrupt',
    `${file} is damaged: ${problem}; download or convert it again`,
    options,
  )
}

/**
 * Parses and checks a safetensors header (https://huggingface.co/docs/safetensors): nothing of it is used before all of
 * it is known to be sound. The tensors must cover the `dataLength` bytes from `dataStart` to the end of the file,
 * without overlaps and without holes. Throws `checkpoint-corrupt` or `checkpoint-dtype-unsupported`.
 */
export function parseHeader(text: string, file: string, dataStart: number, dataLength: number): SafetensorsHeader {
  const fail = (problem: string) => corrupt(file, problem)
  const reader = new JsonReader(text, (problem) => fail(`its header is wrong: ${problem}`))
  const found: TensorInfo[] = []
  const metadata = new Map<string, string>()
  reader.object((key) => {
    if (key === '__metadata__') reader.object((name) => metadata.set(name, reader.string()))
    else found.push(checkTensor(key, readTensor(reader, key, fail), { file, dataStart, dataLength }))
  })
  reader.end()
  found.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength)
  checkCoverage(found, dataStart, dataLength, fail)
  return { tensors: new Map(found.map((tensor) => [tensor.name, tensor])), metadata }
}

function readTensor(reader: JsonReader, name: string, fail: (problem: string) => WarplineError): RawTensor {
  let dtype: string | undefined
  let shape: number[] | undefined
  let offsets: number[] | undefined
  reader.object((key) => {
    if (key === 'dtype') dtype = reader.string()
    else if (key === 'shape')
      shape = readCounts(reader, MAX_RANK, () => fail(`tensor ${quoted(name)} has too many axes`))
    else if (key === 'data_offsets') {
      offsets = readCounts(reader, 2, () => fail(`tensor ${quoted(name)} has more than two data_offsets`))
    } else reader.skip()
  })
  const [begin, end] = offsets ?? []
  const missing = dtype === undefined ? 'dtype' : shape === undefined ? 'shape' : end === undefined && 'data_offsets'
  if (missing) throw fail(`tensor ${quoted(name)} lacks ${missing}`)
  return { dtype: dtype!, shape: shape!, begin: begin!, end: end! }
}

function readCounts(reader: JsonReader, most: number, tooMany: () => WarplineError): number[] {
  const counts: number[] = []
  reader.array(() => {
    if (counts.length === most) throw tooMany()
    counts.push(reader.count())
  })
  return counts
}

function checkTensor(
  name: string,
  { dtype, shape, begin, end }: RawTensor,
  { file, dataStart, dataLength }: { file: string; dataStart: number; dataLength: number },
): TensorInfo {
  const fail = (problem: string) => corrupt(file, `tensor ${quoted(name)} ${problem}`)
  if (!isCheckpointDtype(dtype)) {
    throw new WarplineError(
      'checkpoint-dtype-unsupported',
      `${file}: tensor ${quoted(name)} has the type ${quoted(dtype)}; supported are ${Object.keys(DTYPE_BYTES).join(', ')}`,
    )
  }
  const byteLength = elements(shape) * DTYPE_BYTES[dtype]
  if (!Number.isSafeInteger(byteLength)) throw fail(`has a shape too large to count, [${shape.join(', ')}]`)
  if (end < begin) throw fail(`ends at byte ${end}, before it begins at ${begin}`)
  if (end - begin !== byteLength) {
    throw fail(`has ${end - begin} bytes where ${dtype} [${shape.join(', ')}] needs ${byteLength}`)
  }
  if (end > dataLength) throw fail(`ends at byte ${end} of ${dataLength}: the file is cut off`)
  return { name, dtype, shape, byteOffset: dataStart + begin, byteLength, file }
}

/** Elements of a shape: 1 for a scalar, no safe integer where it overflows. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

function checkCoverage(
  sorted: readonly TensorInfo[],
  dataStart: number,
  dataLength: number,
  fail: (problem: string) => WarplineError,
): void {
  let covered = dataStart
  for (const { name, byteOffset, byteLength } of sorted) {
    if (byteOffset < covered) throw fail(`tensor ${quoted(name)} overlaps the one before it`)
    if (byteOffset > covered) throw fail(`${byteOffset - covered} bytes before tensor ${quoted(name)} belong to none`)
    covered = byteOffset + byteLength
  }
  const left = dataStart + dataLength - covered
  if (left > 0) throw fail(`${left} bytes after the last tensor belong to none`)
}

import type { FileHandle } from 'node:fs/promises'
import { WarplineError } from '../errors.js'
import { writeAtomically } from './atomic-write.js'
import { type CheckpointDtype, DTYPE_BYTES } from './dtype.js'
import { elements } from './safetensors-header.js'
import { quoted } from './strict-json.js'

/** A tensor and its raw little-endian bytes, all at once or piece by piece (read only when their turn comes). */
export interface TensorToWrite {
  readonly name: string
  readonly dtype: CheckpointDtype
  readonly shape: readonly number[]
  readonly data: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/**
 * Writes a safetensors file. Tensors are laid out widest element first, so that each starts at a multiple of its element
 * width, and by name, so that the same tensors always give the same bytes. The file appears complete or not at all.
 * The default metadata is what transformers asks for. Throws `tensor-invalid`, `file-unwritable` or `disk-full`.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<void> {
  const sorted = [...tensors].sort((a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (a.name < b.name ? -1 : 1))
  const header = makeHeader(sorted, metadata)
  await writeAtomically(path, async (handle) => {
    await writeAll(handle, header)
    for (const tensor of sorted) await writeTensor(handle, tensor)
  })
}

function makeHeader(tensors: readonly TensorToWrite[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const entries: [string, unknown][] = []
  if (Object.keys(metadata).length > 0) entries.push(['__metadata__', metadata])
  const names = new Set(['__metadata__'])
  let begin = 0
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name)) throw new WarplineError('tensor-invalid', `two tensors have the name ${quoted(name)}`)
    names.add(name)
    const end = begin + byteLength(name, dtype, shape)
    entries.push([name, { dtype, shape, data_offsets: [begin, end] }])
    begin = end
  }
  // Not one object literal: as an object's key, "1" would move to the front and "__proto__" would vanish.
  const json = `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`
  const text = new TextEncoder().encode(json)
  const padded = Math.ceil(text.length / 8) * 8
  const header = new Uint8Array(8 + padded).fill(0x20)
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true)
  header.set(text, 8)
  return header
}

function byteLength(name: string, dtype: CheckpointDtype, shape: readonly number[]): number {
  const bytes = elements(shape) * DTYPE_BYTES[dtype]
  if (shape.every((size) => Number.isSafeInteger(size) && size >= 0) && Number.isSafeInteger(bytes)) return bytes
  throw new WarplineError('tensor-invalid', `tensor ${quoted(name)} has an impossible shape, [${shape.join(', ')}]`)
}

async function writeTensor(handle: FileHandle, { name, dtype, shape, data }: TensorToWrite): Promise<void> {
  const expected = byteLength(name, dtype, shape)
  let written = 0
  for await (const piece of data instanceof Uint8Array ? [data] : data) {
    written += piece.byteLength
    if (written > expected) break
    await writeAll(handle, piece)
  }
  if (written === expected) return
  const found = written > expected ? 'more' : `only ${written}`
  const problem = `tensor ${quoted(name)}: ${dtype} [${shape.join(', ')}] needs ${expected} bytes and its data has ${found}`
  throw new WarplineError('tensor-invalid', problem)
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0
  while (done < bytes.byteLength) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.byteLength - done, 2 ** 30))
    done += bytesWritten
  }
}

import { constants } from 'node:buffer'
import { type FileHandle, open } from 'node:fs/promises'
import { endianness } from 'node:os'
import { nearestName, WarplineError } from '../errors.js'
import { DTYPE_BYTES, toFloat32 } from './dtype.js'
import { readError } from './file-error.js'
import { regularFile } from './json-file.js'
import { corrupt, elements, parseHeader, type SafetensorsHeader, type TensorInfo } from './safetensors-header.js'
import { quoted } from './strict-json.js'

export type { TensorInfo } from './safetensors-header.js'
export { type TensorToWrite, writeSafetensors } from './safetensors-writer.js'

/** Elements of a tensor in row-major order: all from `start` (default 0) on, or `length` of them. */
export interface ElementRange {
  readonly start?: number
  readonly length?: number
}

const LENGTH_BYTES = 8
const MAX_HEADER_BYTES = 100_000_000 // the limit of the reference implementation
const MAX_READ_BYTES = 2 ** 30 // one read call takes less than 2 GiB
const CONVERSION_ELEMENTS = 2 ** 22

/**
 * One open safetensors file. Tensors are streamed by positioned reads (Node has no memory mapping), any number at a
 * time. Errors: `tensor-missing`, `tensor-range-invalid`, `tensor-too-large`, `out-of-memory`, `file-unreadable`,
 * `checkpoint-changed` when the file changes after it was opened, `checkpoint-closed` after `close()`.
 */
export class SafetensorsFile {
  readonly path: string
  /** In the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** The free-form `__metadata__` of the header. */
  readonly metadata: ReadonlyMap<string, string>
  readonly #handle: FileHandle
  readonly #version: string
  #closed: Promise<void> | undefined

  constructor(path: string, header: SafetensorsHeader, handle: FileHandle, version: string) {
    this.path = path
    this.tensors = header.tensors
    this.metadata = header.metadata
    this.#handle = handle
    this.#version = version
  }

  /** Raw little-endian bytes in an ArrayBuffer of their own, so that a view of any element type fits. */
  async read(name: string, range?: ElementRange): Promise<Uint8Array> {
    const { byteLength } = this.#locate(name, range)
    const bytes = allocate(byteLength, name)
    await this.readInto(name, bytes, range)
    return bytes
  }

  /** The same into memory of the caller; `target` has exactly the bytes of the range. */
  async readInto(name: string, target: Uint8Array, range?: ElementRange): Promise<void> {
    const { position, byteLength } = this.#locate(name, range)
    if (target.byteLength !== byteLength) {
      const problem = `tensor ${quoted(name)} gives ${byteLength} bytes, the target has ${target.byteLength}`
      throw new WarplineError('tensor-range-invalid', problem)
    }
    await this.#open(async () => {
      await readFully(this.#handle, target, position, this.path)
      if ((await versionOf(this.#handle)) !== this.#version) throw changed(this.path)
    })
  }

  /** Elements as float32. Other types are converted piece by piece, so that the raw bytes never stand beside all of them. */
  async readFloat32(name: string, range?: ElementRange): Promise<Float32Array> {
    const { dtype, start, length } = this.#locate(name, range)
    const values = new Float32Array(allocate(length * 4, name).buffer)
    if (dtype === 'F32') {
      await this.readInto(name, new Uint8Array(values.buffer), range)
      return values
    }
    const raw = allocate(Math.min(length, CONVERSION_ELEMENTS) * DTYPE_BYTES[dtype], name)
    for (let done = 0; done < length; done += CONVERSION_ELEMENTS) {
      const part = Math.min(CONVERSION_ELEMENTS, length - done)
      const bytes = raw.subarray(0, part * DTYPE_BYTES[dtype])
      await this.readInto(name, bytes, { start: start + done, length: part })
      toFloat32(dtype, bytes, values.subarray(done, done + part))
    }
    return values
  }

  /** Gives the file back to the system; may be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#handle.close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #locate(name: string, range: ElementRange = {}) {
    const tensor = this.tensors.get(name)
    if (!tensor) throw missingTensor(name, this.tensors.keys(), this.path)
    const count = elements(tensor.shape)
    const { start = 0, length = count - start } = range
    const valid = isCount(start) && isCount(length) && start + length <= count
    if (!valid) {
      const problem = `tensor ${quoted(name)} has ${count} elements; ${length} from ${start} on is not a part of it`
      throw new WarplineError('tensor-range-invalid', problem)
    }
    const width = DTYPE_BYTES[tensor.dtype]
    return {
      dtype: tensor.dtype,
      start,
      length,
      position: tensor.byteOffset + start * width,
      byteLength: length * width,
    }
  }

  async #open(use: () => Promise<void>): Promise<void> {
    const closed = () => new WarplineError('checkpoint-closed', `${this.path} was closed before it was read`)
    if (this.#closed) throw closed()
    try {
      await use()
    } catch (error) {
      throw this.#closed ? closed() : readError(this.path, error)
    }
  }
}

/**
 * Opens a safetensors file and checks its whole header before any of it is used. Throws `file-missing`,
 * `file-unreadable`, `checkpoint-corrupt` or `checkpoint-dtype-unsupported`.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  if (endianness() !== 'LE') {
    throw new WarplineError('platform-unsupported', 'checkpoints are little-endian and this machine is not')
  }
  await regularFile(path)
  const handle = await open(path, 'r').catch((error) => {
    throw readError(path, error)
  })
  try {
    const version = await versionOf(handle)
    const header = await readHeader(handle, path)
    return new SafetensorsFile(path, header, handle, version)
  } catch (error) {
    await handle.close()
    throw readError(path, error)
  }
}

/** No tensor of that name; the message offers the nearest. */
export function missingTensor(name: string, known: Iterable<string>, where: string): WarplineError {
  const nearest = nearestName(name, known)
  const hint = nearest === undefined ? '' : `; did you mean ${quoted(nearest)}?`
  return new WarplineError('tensor-missing', `${where} has no tensor ${quoted(name)}${hint}`)
}

async function readHeader(handle: FileHandle, path: string): Promise<SafetensorsHeader> {
  const { size } = await handle.stat()
  if (size < LENGTH_BYTES) throw corrupt(path, `it has ${size} bytes, too few for a safetensors header`)
  const prefix = new Uint8Array(LENGTH_BYTES)
  await readFully(handle, prefix, 0, path)
  const length = new DataView(prefix.buffer).getBigUint64(0, true)
  if (length > MAX_HEADER_BYTES) throw corrupt(path, `its header claims ${length} bytes; at most 100 MB are allowed`)
  const dataStart = LENGTH_BYTES + Number(length)
  if (dataStart > size) throw corrupt(path, `its header claims ${length} bytes and the file ends before them`)
  const bytes = new Uint8Array(Number(length))
  await readFully(handle, bytes, LENGTH_BYTES, path)
  if (bytes[0] !== 0x7b) throw corrupt(path, 'its header does not begin with "{", so this is no safetensors file')
  return parseHeader(decodeUtf8(bytes, path), path, dataStart, size - dataStart)
}

function decodeUtf8(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw corrupt(path, 'its header is not valid UTF-8', { cause })
  }
}

async function readFully(handle: FileHandle, target: Uint8Array, position: number, path: string): Promise<void> {
  let done = 0
  while (done < target.byteLength) {
    const wanted = Math.min(target.byteLength - done, MAX_READ_BYTES)
    const { bytesRead } = await handle.read(target, done, wanted, position + done)
    if (bytesRead === 0) throw changed(path)
    done += bytesRead
  }
}

/** Changes whenever someone writes to the file. */
async function versionOf(handle: FileHandle): Promise<string> {
  const { size, mtimeNs } = await handle.stat({ bigint: true })
  return `${size} ${mtimeNs}`
}

function changed(path: string): WarplineError {
  return new WarplineError('checkpoint-changed', `${path} changed while it was read; load it again when it is complete`)
}

function allocate(bytes: number, name: string): Uint8Array<ArrayBuffer> {
  if (bytes > constants.MAX_LENGTH) {
    const problem = `tensor ${quoted(name)} needs ${bytes} bytes and one array holds ${constants.MAX_LENGTH}`
    throw new WarplineError('tensor-too-large', `${problem}; read it in ranges`)
  }
  try {
    return new Uint8Array(bytes)
  } catch (cause) {
    const problem = `no memory for the ${bytes} bytes of tensor ${quoted(name)}`
    throw new WarplineError('out-of-memory', `${problem}; free some, or read it in ranges`, { cause })
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'

/** Element types, by ggml's numbers; `bytes` of `block` elements. */
export const GGML = {
  F32: { id: 0, block: 1, bytes: 4 },
  F16: { id: 1, block: 1, bytes: 2 },
  Q4_0: { id: 2, block: 32, bytes: 18 },
  Q8_0: { id: 8, block: 32, bytes: 34 },
  BF16: { id: 30, block: 1, bytes: 2 },
} as const
export type GgmlType = keyof typeof GGML

export type MetadataValue =
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly i32s: readonly number[] }

export interface GgufTensor {
  readonly name: string
  readonly type: GgmlType
  /** Sizes as ggml counts them: that of a row first. */
  readonly sizes: readonly number[]
  /** Called when its turn comes. */
  readonly data: () => Uint8Array
}

const MAGIC = 0x46554747
const VERSION = 3
const ALIGNMENT = 32
const TYPE = { u32: 4, i32: 5, f32: 6, text: 8, array: 9 }

/** Writes a GGUF file, version 3, little-endian (the format: ggml's docs/gguf.md). */
export async function writeGguf(
  path: string,
  metadata: Readonly<Record<string, MetadataValue>>,
  tensors: readonly GgufTensor[],
): Promise<void> {
  const header = new Bytes()
  header.u32(MAGIC).u32(VERSION).u64(tensors.length).u64(Object.keys(metadata).length)
  for (const [key, value] of Object.entries(metadata)) writeMetadata(header.text(key), value)
  let offset = 0
  for (const { name, type, sizes, ...tensor } of tensors) {
    header.text(name).u32(sizes.length)
    for (const size of sizes) header.u64(size)
    header.u32(GGML[type].id).u64(offset)
    offset += padded(byteLength({ name, type, sizes, ...tensor }))
  }
  const file = await open(path, 'w')
  try {
    await writePadded(file, header.take())
    for (const tensor of tensors) {
      const data = tensor.data()
      if (data.byteLength !== byteLength(tensor)) throw new Error(`${tensor.name} has ${data.byteLength} bytes`)
      await writePadded(file, data)
    }
  } finally {
    await file.close()
  }
}

function byteLength({ type, sizes }: GgufTensor): number {
  const { block, bytes } = GGML[type]
  return (sizes.reduce((product, size) => product * size, 1) / block) * bytes
}

function padded(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}

async function writePadded(file: FileHandle, data: Uint8Array): Promise<void> {
  await file.writeFile(data)
  await file.writeFile(new Uint8Array(padded(data.byteLength) - data.byteLength))
}

function writeMetadata(out: Bytes, value: MetadataValue): void {
  if ('u32' in value) out.u32(TYPE.u32).u32(value.u32)
  else if ('f32' in value) out.u32(TYPE.f32).f32(value.f32)
  else if ('text' in value) out.u32(TYPE.text).text(value.text)
  else if ('texts' in value) {
    out.u32(TYPE.array).u32(TYPE.text).u64(value.texts.length)
    for (const text of value.texts) out.text(text)
  } else {
    out.u32(TYPE.array).u32(TYPE.i32).u64(value.i32s.length)
    for (const item of value.i32s) out.u32(item >>> 0)
  }
}

/** Grows as little-endian values are appended. */
class Bytes {
  private readonly pieces: Buffer[] = []

  u32(value: number): this {
    const piece = Buffer.alloc(4)
    piece.writeUInt32LE(value)
    return this.push(piece)
  }

  u64(value: number): this {
    const piece = Buffer.alloc(8)
    piece.writeBigUInt64LE(BigInt(value))
    return this.push(piece)
  }

  f32(value: number): this {
    const piece = Buffer.alloc(4)
    piece.writeFloatLE(value)
    return this.push(piece)
  }

  text(value: string): this {
    const piece = Buffer.from(value)
    return this.u64(piece.length).push(piece)
  }

  take(): Uint8Array {
    return Buffer.concat(this.pieces)
  }

  private push(piece: Buffer): this {
    this.pieces.push(piece)
    return this
  }
}

import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CACHE } from '../paths.js'
import type { Shape } from '../shapes.js'
import { type GgufType, writeGgufModel } from './gguf-model.js'
import { writeHuggingFace } from './hugging-face.js'
import { writeOnnxModel } from './onnx-model.js'
import type { OnnxType } from './onnx-products.js'

/** Goes up when what the writers write changes, so that models of an earlier version are made anew. */
const VERSION = 1

export type ModelFormat =
  | { readonly kind: 'hugging-face' }
  | { readonly kind: 'gguf'; readonly type: GgufType }
  | { readonly kind: 'onnx'; readonly type: OnnxType }

/** Writes a model unless an earlier run did; a folder appears complete or not at all. Returns what a contender loads. */
export async function modelFile(shape: Shape, format: ModelFormat, say: (line: string) => void): Promise<string> {
  const name = format.kind === 'hugging-face' ? 'bf16' : format.type.toLowerCase()
  const parent = join(CACHE, 'models', `${shape.name}-v${VERSION}`)
  const folder = join(parent, `${format.kind}-${name}`)
  if (!existsSync(folder)) {
    say(`writing ${shape.title}, ${format.kind} ${name} (once)`)
    const partial = `${folder}.partial`
    await rm(partial, { recursive: true, force: true })
    await mkdir(partial, { recursive: true })
    await write(shape, format, partial)
    await rename(partial, folder)
  }
  return format.kind === 'hugging-face' ? folder : join(folder, fileOf(format.kind))
}

async function write(shape: Shape, format: ModelFormat, folder: string): Promise<void> {
  if (format.kind === 'hugging-face') await writeHuggingFace(shape, folder)
  else if (format.kind === 'gguf') await writeGgufModel(shape, format.type, join(folder, fileOf('gguf')))
  else await writeOnnxModel(shape, format.type, join(folder, fileOf('onnx')))
}

function fileOf(kind: 'gguf' | 'onnx'): string {
  return `model.${kind}`
}

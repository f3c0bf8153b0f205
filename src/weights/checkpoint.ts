import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { WarplineError } from '../errors.js'
import { findWeights, type WeightFiles } from './checkpoint-files.js'
import { isMissing, readError } from './file-error.js'
import { readJsonObject } from './json-file.js'
import {
  type ElementRange,
  missingTensor,
  openSafetensors,
  type SafetensorsFile,
  type TensorInfo,
} from './safetensors.js'
import { corrupt } from './safetensors-header.js'
import { quoted } from './strict-json.js'

/** An open model directory. Errors of reading are those of SafetensorsFile. */
export interface Checkpoint {
  readonly directory: string
  /** `config.json` as it stands. */
  readonly config: Readonly<Record<string, unknown>>
  /** Every tensor of the model, shard by shard, each shard in the order of its bytes. */
  readonly tensors: ReadonlyMap<string, TensorInfo>
  /** Raw little-endian elements, row-major. */
  read(name: string, range?: ElementRange): Promise<Uint8Array>
  /** Raw elements into memory of the caller, which has exactly their size. */
  readInto(name: string, target: Uint8Array, range?: ElementRange): Promise<void>
  /** Elements as float32, row-major. */
  readFloat32(name: string, range?: ElementRange): Promise<Float32Array>
  /** Closes every file; may be called again. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens a model directory: `config.json`, and `model.safetensors`, or `model.safetensors.index.json` with its shards, or
 * the only `*.safetensors` file. Throws `model-not-found`, `config-missing`, `config-invalid`,
 * `checkpoint-incomplete`, `checkpoint-ambiguous`, `checkpoint-pickled`, `checkpoint-corrupt` and the errors of
 * `openSafetensors`; then no file stays open.
 */
export async function openCheckpoint(directory: string): Promise<Checkpoint> {
  const config = await readConfig(directory)
  const weights = await findWeights(directory)
  const files: SafetensorsFile[] = []
  try {
    const owners = await findOwners(directory, weights, async (name) => {
      const file = await openSafetensors(join(directory, name))
      files.push(file)
      return file
    })
    return new OpenCheckpoint(directory, config, files, owners)
  } catch (error) {
    await closeAll(files)
    throw error
  }
}

class OpenCheckpoint implements Checkpoint {
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly #files: readonly SafetensorsFile[]
  readonly #owners: ReadonlyMap<string, SafetensorsFile>

  constructor(
    readonly directory: string,
    readonly config: Readonly<Record<string, unknown>>,
    files: readonly SafetensorsFile[],
    owners: ReadonlyMap<string, SafetensorsFile>,
  ) {
    this.#files = files
    this.#owners = owners
    this.tensors = new Map([...owners].map(([name, file]) => [name, file.tensors.get(name)!]))
  }

  async read(name: string, range?: ElementRange): Promise<Uint8Array> {
    return this.#owner(name).read(name, range)
  }

  async readInto(name: string, target: Uint8Array, range?: ElementRange): Promise<void> {
    return this.#owner(name).readInto(name, target, range)
  }

  async readFloat32(name: string, range?: ElementRange): Promise<Float32Array> {
    return this.#owner(name).readFloat32(name, range)
  }

  close(): Promise<void> {
    return closeAll(this.#files)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #owner(name: string): SafetensorsFile {
    const owner = this.#owners.get(name)
    if (!owner) throw missingTensor(name, this.#owners.keys(), this.directory)
    return owner
  }
}

async function requireDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch((error) => {
    if (!isMissing(error)) throw readError(directory, error)
    const problem = `${directory} does not exist; give the directory of a model`
    throw new WarplineError('model-not-found', problem, { cause: error })
  })
  if (found.isDirectory()) return
  throw new WarplineError('model-not-found', `${directory} is no directory; give the directory of a model`)
}

/** `config.json` of a model directory. Throws `model-not-found`, `config-missing`, `config-invalid`. */
export async function readConfig(directory: string): Promise<Record<string, unknown>> {
  await requireDirectory(directory)
  const path = join(directory, 'config.json')
  try {
    return await readJsonObject(path, 'config-invalid')
  } catch (error) {
    if (!(error instanceof WarplineError) || error.code !== 'file-missing') throw error
    throw new WarplineError('config-missing', `${directory} has no config.json, which says how to run the model`, {
      cause: error,
    })
  }
}

/** Which file holds each tensor; `open` opens a file by its name in the directory. */
async function findOwners(
  directory: string,
  { files, shards }: WeightFiles,
  open: (name: string) => Promise<SafetensorsFile>,
): Promise<Map<string, SafetensorsFile>> {
  const owners = new Map<string, SafetensorsFile>()
  for (const name of files) {
    const file = await open(name)
    for (const tensor of file.tensors.keys()) {
      if (!shards || shards.shardOf.get(tensor) === name) owners.set(tensor, file)
    }
  }
  for (const [tensor, shard] of shards?.shardOf ?? []) {
    if (owners.has(tensor)) continue
    const problem = `it says that ${quoted(shard)} holds the tensor ${quoted(tensor)}, which is not there`
    throw corrupt(join(directory, shards!.index), problem)
  }
  return owners
}

async function closeAll(files: readonly SafetensorsFile[]): Promise<void> {
  await Promise.all(files.map((file) => file.close()))
}

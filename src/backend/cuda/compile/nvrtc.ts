import { WarplineError } from '../../../errors.js'
import { candidates, loadFirst } from '../driver/libraries.js'

/** NVIDIA's run-time compiler (NVRTC documentation): CUDA C++ in, a cubin out. */
export interface Nvrtc {
  readonly path: string
  /** 13.0 as [13, 0]. */
  readonly version: readonly [number, number]
  /** Throws `kernels-missing` with the compiler's log. */
  compile(name: string, source: string, options: readonly string[]): Uint8Array
}

let loading: Promise<Nvrtc | undefined> | undefined

/** Undefined where there is none. */
export function loadNvrtc(): Promise<Nvrtc | undefined> {
  loading ??= open()
  return loading
}

async function open(): Promise<Nvrtc | undefined> {
  const { default: koffi } = await import('koffi')
  const { loaded, path } = loadFirst(candidates('nvrtc'), (file) => bind(koffi.load(file)))
  return loaded && { ...loaded, path: path! }
}

type Library = ReturnType<typeof import('koffi').default['load']>

function bind(library: Library): Omit<Nvrtc, 'path'> {
  const call = (name: string, ...types: string[]) => library.func(name, 'int32_t', types)
  const version = call('nvrtcVersion', 'void *', 'void *')
  const create = call('nvrtcCreateProgram', 'void *', 'const char *', 'const char *', 'int32_t', 'void *', 'void *')
  const destroy = call('nvrtcDestroyProgram', 'void *')
  const compile = call('nvrtcCompileProgram', 'uint64_t', 'int32_t', 'const char **')
  const cubinSize = call('nvrtcGetCUBINSize', 'uint64_t', 'void *')
  const cubin = call('nvrtcGetCUBIN', 'uint64_t', 'void *')
  const logSize = call('nvrtcGetProgramLogSize', 'uint64_t', 'void *')
  const log = call('nvrtcGetProgramLog', 'uint64_t', 'void *')

  const bytesOf = (size: typeof cubinSize, read: typeof cubin, program: bigint) => {
    const length = new BigUint64Array(1)
    size(program, length)
    const bytes = new Uint8Array(Number(length[0]))
    if (bytes.length > 0) read(program, bytes)
    return bytes
  }
  const [major, minor] = [new Int32Array(1), new Int32Array(1)]
  version(major, minor)
  return {
    version: [major[0]!, minor[0]!],
    compile(name, source, options) {
      const program = new BigUint64Array(1)
      const created = create(program, source, `${name}.cu`, 0, null, null)
      if (created !== 0) throw new WarplineError('kernels-missing', `NVRTC refused ${name} with result ${created}`)
      try {
        const result = compile(program[0]!, options.length, [...options])
        if (result !== 0) {
          const text = new TextDecoder().decode(bytesOf(logSize, log, program[0]!)).replace(/\0+$/, '')
          throw new WarplineError('kernels-missing', `NVRTC could not compile ${name} (result ${result}): ${text}`)
        }
        return bytesOf(cubinSize, cubin, program[0]!)
      } finally {
        destroy(program)
      }
    },
  }
}

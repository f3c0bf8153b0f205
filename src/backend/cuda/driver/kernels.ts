import type { Driver } from './driver.js'

/** A module's machine code: a cubin that this device runs. */
export type LoadModule = (name: string) => Uint8Array

/** CUfunction_attribute: most dynamic shared memory; blocks ask for more than 48 KB only after it was raised. */
const MAX_DYNAMIC_SHARED = 8
const DEFAULT_SHARED = 48 * 1024

/** Kernels by module and name, loaded when they are first asked for. */
export class Kernels {
  private readonly modules = new Map<string, bigint>()
  private readonly functions = new Map<string, bigint>()
  private readonly shared = new Map<bigint, number>()

  constructor(
    private readonly driver: Driver,
    private readonly load: LoadModule,
  ) {}

  get(module: string, name: string, sharedBytes = 0): bigint {
    const key = `${module}:${name}`
    let kernel = this.functions.get(key)
    if (kernel === undefined) {
      kernel = this.driver.handle('cuModuleGetFunction', this.module(module), name)
      this.functions.set(key, kernel)
    }
    if (sharedBytes > (this.shared.get(kernel) ?? DEFAULT_SHARED)) {
      this.driver.call('cuFuncSetAttribute', kernel, MAX_DYNAMIC_SHARED, sharedBytes)
      this.shared.set(kernel, sharedBytes)
    }
    return kernel
  }

  private module(name: string): bigint {
    const known = this.modules.get(name)
    if (known !== undefined) return known
    const module = this.driver.handle('cuModuleLoadData', this.load(name))
    this.modules.set(name, module)
    return module
  }

  close(): void {
    for (const module of this.modules.values()) this.driver.call('cuModuleUnload', module)
    this.modules.clear()
    this.functions.clear()
  }
}

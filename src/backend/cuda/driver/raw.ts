/**
 * The CUDA driver API as it is called: names and C parameter types of cuda.h (CUDA Driver API reference). Device pointers and
 * handles are 64-bit integers; `out` and `in` are arrays whose memory the driver writes or reads.
 */
type Parameter = 'i32' | 'u32' | 'u64' | 'u8' | 'f32' | 'out' | 'in' | 'text'

export const SIGNATURES = {
  cuInit: ['u32'],
  cuDriverGetVersion: ['out'],
  cuDeviceGetCount: ['out'],
  cuDeviceGet: ['out', 'i32'],
  cuDeviceGetName: ['out', 'i32', 'i32'],
  cuDeviceGetAttribute: ['out', 'i32', 'i32'],
  cuDeviceTotalMem_v2: ['out', 'i32'],
  cuDevicePrimaryCtxRetain: ['out', 'i32'],
  cuDevicePrimaryCtxRelease_v2: ['i32'],
  cuCtxSetCurrent: ['u64'],
  cuMemGetInfo_v2: ['out', 'out'],
  cuMemAlloc_v2: ['out', 'u64'],
  cuMemFree_v2: ['u64'],
  cuMemHostAlloc: ['out', 'u64', 'u32'],
  cuMemFreeHost: ['u64'],
  cuMemcpyHtoDAsync_v2: ['u64', 'u64', 'u64', 'u64'],
  cuMemcpyDtoHAsync_v2: ['u64', 'u64', 'u64', 'u64'],
  cuMemcpyDtoDAsync_v2: ['u64', 'u64', 'u64', 'u64'],
  cuMemsetD8Async: ['u64', 'u8', 'u64', 'u64'],
  cuModuleLoadData: ['out', 'in'],
  cuModuleUnload: ['u64'],
  cuModuleGetFunction: ['out', 'u64', 'text'],
  cuFuncSetAttribute: ['u64', 'i32', 'i32'],
  cuFuncGetAttribute: ['out', 'i32', 'u64'],
  cuLaunchKernelEx: ['u64', 'u64', 'u64', 'u64'],
  cuStreamCreate: ['out', 'u32'],
  cuStreamDestroy_v2: ['u64'],
  cuStreamSynchronize: ['u64'],
  cuStreamWaitEvent: ['u64', 'u64', 'u32'],
  cuEventCreate: ['out', 'u32'],
  cuEventDestroy_v2: ['u64'],
  cuEventRecord: ['u64', 'u64'],
  cuEventQuery: ['u64'],
  cuEventSynchronize: ['u64'],
  cuEventElapsedTime: ['out', 'u64', 'u64'],
  cuStreamBeginCapture_v2: ['u64', 'i32'],
  cuStreamEndCapture: ['u64', 'out'],
  cuGraphInstantiateWithFlags: ['out', 'u64', 'u64'],
  cuGraphLaunch: ['u64', 'u64'],
  cuGraphExecDestroy: ['u64'],
  cuGraphDestroy: ['u64'],
} as const satisfies Readonly<Record<string, readonly Parameter[]>>

export type DriverFunction = keyof typeof SIGNATURES

/** What may be handed to a function; `out` and `in` are typed arrays. */
export type Argument = number | bigint | string | ArrayBufferView

/** The driver, or a recording stand-in for it. Every function returns a CUresult. */
export interface RawDriver {
  call(name: DriverFunction, ...values: Argument[]): number
  /** A CUresult's name, such as CUDA_ERROR_OUT_OF_MEMORY. */
  errorName(result: number): string
  /** Native memory as JavaScript sees it; not a copy. */
  view(address: bigint, bytes: number): ArrayBuffer
  /** Where an array lies; it must stay referenced while native code uses it. */
  addressOf(array: ArrayBufferView): bigint
}

export const C_TYPES: Readonly<Record<Parameter, string>> = {
  i32: 'int32_t',
  u32: 'uint32_t',
  u64: 'uint64_t',
  u8: 'uint8_t',
  f32: 'float',
  out: 'void *',
  in: 'const void *',
  text: 'const char *',
}

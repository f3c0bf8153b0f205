import { after, before, describe } from 'node:test'
import { type CpuLibrary, loadLibrary } from '../../../../src/backend/cpu/library.js'

const LEVELS = ['portable', 'avx2', 'avx512', 'avx512bf16', 'neon']

/** The native library, and whether tests of it must be skipped: on machines without a compiler. */
export const library: CpuLibrary | undefined = await loadLibrary().catch(() => undefined)
export const skip = library ? false : 'no native library; node tools/build-cpu.mjs says why'

/** The dispatch levels that this machine and this build can run. */
export const levels: readonly string[] = LEVELS.filter((level) => library?.isSupported(level))

/** Declares the tests once for each level, which is in use while they run. */
export function atEveryLevel(what: string, declare: (level: string) => void): void {
  for (const level of levels) {
    describe(`${what}, ${level}`, () => {
      before(() => library!.setLevel(level))
      after(() => library!.setLevel(undefined))
      declare(level)
    })
  }
}

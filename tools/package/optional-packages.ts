import { libraryFile, PREBUILT, platformPackage } from '../../src/backend/cpu/library-path.js'

/** A package that carries what is compiled ahead of time for one platform, so that npm installs only what fits. */
export interface OptionalPackage {
  /** As src looks for it. */
  readonly name: string
  readonly description: string
  /** In Node's words. */
  readonly platform: NodeJS.Platform
  readonly arch: string
  /** Linux: the C library it needs, and the newest version of its symbols that it may ask for. */
  readonly libc?: { readonly name: 'glibc' | 'musl'; readonly newest: readonly [major: number, minor: number] }
  /** Place in the package -> place in the checkout, where `build` puts it. */
  readonly files: Readonly<Record<string, string>>
  /** A script of the checkout and its arguments; exit code 3 says that there is no compiler. */
  readonly build: readonly string[]
  /** Of the tarball. */
  readonly mostBytes: number
  /** `always`: an optional dependency, installed wherever it fits; `asked`: an optional peer, installed by name. */
  readonly install: 'always' | 'asked'
}

/** One entry a package; docs/packaging.md tells how each is made, and where it was tried. */
export const OPTIONAL_PACKAGES: readonly OptionalPackage[] = PREBUILT.map(cpuLibrary)

export function targetOf({ platform, arch }: Pick<OptionalPackage, 'platform' | 'arch'>): string {
  return `${platform}-${arch}`
}

function cpuLibrary(target: string): OptionalPackage {
  const [platform, arch] = target.split('-') as [NodeJS.Platform, string]
  const file = libraryFile({ platform, arch })
  return {
    name: platformPackage({ platform, arch }),
    description: `Warpline's CPU kernels, compiled for ${target}`,
    platform,
    arch,
    // What Node 20 itself needs.
    ...(platform === 'linux' && { libc: { name: 'glibc', newest: [2, 28] } }),
    files: { [file]: `native/cpu/build/${target}/release/${file}` },
    build: ['tools/build-cpu.mjs', '--release', `--target=${target}`],
    mostBytes: 5e6,
    install: 'always',
  }
}

export type LibcVersion = readonly [major: number, minor: number]

/** The newest version of the GNU C library that an ELF file asks for; undefined if it asks for none. */
export function newestGlibc(elf: Buffer): LibcVersion | undefined {
  // The versions that are needed stand in the table of strings by these names.
  const names = elf.toString('latin1').matchAll(/\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)/g)
  const versions = [...names].map(([, major, minor]): LibcVersion => [Number(major), Number(minor)])
  return versions.sort(compareVersions).at(-1)
}

export function compareVersions(a: LibcVersion, b: LibcVersion): number {
  return a[0] - b[0] || a[1] - b[1]
}

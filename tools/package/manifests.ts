import type { OptionalPackage } from './optional-packages.js'

export interface Manifest extends Record<string, unknown> {
  readonly version: string
}

/**
 * What is published as the main package's package.json: the checkout's, without what only a checkout needs, and with the
 * packages of compiled files at the same version. They stand only here, so that a checkout installs from a registry that
 * lacks them.
 */
export function mainManifest(checkout: Manifest, packages: readonly OptionalPackage[]): Manifest {
  const { scripts: _, devDependencies: __, ...manifest } = checkout
  const names = (how: OptionalPackage['install']) =>
    packages.filter((one) => one.install === how).map(({ name }) => name)
  const asked = names('asked')
  return {
    ...manifest,
    optionalDependencies: all(names('always'), manifest.version),
    ...(asked.length > 0 && {
      peerDependencies: { ...(manifest.peerDependencies as object), ...all(asked, manifest.version) },
      peerDependenciesMeta: { ...(manifest.peerDependenciesMeta as object), ...all(asked, { optional: true }) },
    }),
  } as Manifest
}

/** The package.json of a package of compiled files: npm skips it where os, cpu or libc differ. */
export function optionalManifest(one: OptionalPackage, { version, license, engines }: Manifest): Manifest {
  const { name, description, platform, arch, libc, files } = one
  return {
    ...{ name, version, description, license, engines },
    os: [platform],
    cpu: [arch],
    ...(libc && { libc: [libc.name] }),
    files: Object.keys(files),
    // Nothing can be loaded out of an archive.
    preferUnplugged: true,
  }
}

function all<T>(names: readonly string[], value: T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, value]))
}

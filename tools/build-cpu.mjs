/**
 * Compiles native/cpu into one shared library, native/cpu/build/<platform>-<arch>/, with the system's C++ compiler: the
 * environment's CXX, or the first of c++, g++ and clang++. Sources in kernels/ are compiled once for each dispatch level,
 * with that level's instruction sets; all else with the compiler's baseline. What has not changed is not compiled again.
 *
 *   node tools/build-cpu.mjs [--test] [--bench] [--sanitize=address|thread]
 *
 * --test also builds native/cpu/test into `kernel-tests`, --bench bench/cpu/kernels into `kernel-bench`; --sanitize builds
 * all of it into a folder of its own. Exits with 3 where there is no compiler.
 */
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

const NO_COMPILER = 3
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const source = join(root, 'native', 'cpu')

const LEVELS = {
  x64: {
    portable: [],
    avx2: ['-mavx2', '-mfma', '-mf16c'],
    avx512: ['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mavx512vnni', '-mavx2', '-mfma', '-mf16c'],
  },
  arm64: { portable: [], neon: [] },
}
LEVELS.x64.avx512bf16 = [...LEVELS.x64.avx512, '-mavx512bf16']

const LIBRARY = { linux: 'libwarpline-cpu.so', darwin: 'libwarpline-cpu.dylib', win32: 'warpline-cpu.dll' }

const SHARED = {
  linux: ['-shared', `-Wl,--version-script=${join(source, 'exports.map')}`, '-Wl,--gc-sections'],
  darwin: ['-dynamiclib', '-Wl,-exported_symbol,_wl_*', '-Wl,-dead_strip'],
}

/** No contraction: whether a * b + c is fused is the kernels' business, so that all of them round alike. */
const COMPILE = [
  '-std=c++17',
  '-O3',
  '-g1',
  '-Wall',
  '-Wextra',
  '-fvisibility=hidden',
  '-ffunction-sections',
  '-ffp-contract=off',
]
const KERNEL = ['-fno-math-errno', '-fno-trapping-math', '-fno-exceptions', '-fno-rtti', '-fno-threadsafe-statics']
/** GCC 12's own AVX-512 header makes it warn of uninitialised values (GCC bug 105593). */
const GCC_KERNEL = ['-Wno-maybe-uninitialized', '-Wno-uninitialized']
const SANITIZE = {
  address: ['-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'],
  thread: ['-O1', '-fsanitize=thread'],
}

const { values: options } = parseArgs({
  options: {
    test: { type: 'boolean', default: false },
    bench: { type: 'boolean', default: false },
    sanitize: { type: 'string' },
  },
})
const sanitize = options.sanitize ? (SANITIZE[options.sanitize] ?? fail(2, 'unknown-sanitizer', options.sanitize)) : []
const levels = LEVELS[process.arch] ?? { portable: [] }
const compiler = findCompiler()
const kernelFlags = compiler.version.includes('clang') ? KERNEL : [...KERNEL, ...GCC_KERNEL]
const build = join(source, 'build', [process.platform, process.arch, options.sanitize].filter(Boolean).join('-'))

await main()

async function main() {
  const started = Date.now()
  const kernels = sourcesIn(join(source, 'kernels'))
  const core = [...sourcesIn(join(source, 'core')), join(source, 'abi.cc')]
  const units = [
    ...core.map((file) =>
      unit(
        file,
        Object.keys(levels).map((level) => `-DWL_HAS_${level.toUpperCase()}`),
      ),
    ),
    ...Object.entries(levels).flatMap(([level, flags]) =>
      kernels.map((file) => unit(file, [...kernelFlags, ...flags, `-DWL_LEVEL=${level}`], level)),
    ),
  ]
  const tests = options.test ? sourcesIn(join(source, 'test')).map((file) => unit(file, ['-I', source])) : []
  const benches = options.bench
    ? sourcesIn(join(root, 'bench', 'cpu', 'kernels')).map((file) => unit(file, ['-I', source]))
    : []
  const all = [...units, ...tests, ...benches]
  const compiled = await compileAll(all)

  const objects = units.map(({ object }) => object)
  const library = join(build, LIBRARY[process.platform] ?? LIBRARY.linux)
  link(library, objects, SHARED[process.platform] ?? ['-shared'])
  if (options.test) checkSymbols(units)
  if (options.test) link(join(build, 'kernel-tests'), [...objects, ...tests.map(({ object }) => object)], [])
  if (options.bench) link(join(build, 'kernel-bench'), [...objects, ...benches.map(({ object }) => object)], [])
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  console.error(`${relative(root, library)}: ${compiled} of ${all.length} files compiled in ${seconds} s`)
}

function findCompiler() {
  const tried = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  for (const name of tried) {
    try {
      return {
        name,
        version: execFileSync(name, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
      }
    } catch {}
  }
  return fail(
    NO_COMPILER,
    'compiler-missing',
    `no C++ compiler runs (tried ${tried.join(', ')}); install g++ or clang++, or set CXX`,
  )
}

function fail(code, kind, message) {
  console.error(`${kind}: ${message}`)
  process.exit(code)
}

function sourcesIn(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.cc'))
    .sort()
    .map((file) => join(folder, file))
}

/** One file to compile, and the hash of all that its object depends on. */
function unit(file, extra, level) {
  const flags = [...COMPILE, ...(process.platform === 'win32' ? [] : ['-fPIC', '-pthread']), ...sanitize, ...extra]
  const name = relative(root, file).replace(/[\\/]/g, '_')
  const object = join(build, 'objects', `${level ? `${level}_` : ''}${name}.o`)
  const hash = createHash('sha256').update(compiler.version).update(flags.join(' '))
  for (const text of textsOf(file)) hash.update(text)
  return { file, level, flags, object, digest: hash.digest('hex') }
}

/** The texts of a source and of all the headers of ours that it includes, once each. */
function textsOf(file, seen = new Map()) {
  if (seen.has(file) || !existsSync(file)) return [...seen.values()]
  const text = readFileSync(file, 'utf8')
  seen.set(file, text)
  for (const [, header] of text.matchAll(/^\s*#include "([^"]+)"/gm)) {
    textsOf(join(dirname(file), header), seen)
    textsOf(join(source, header), seen)
  }
  return [...seen.values()]
}

async function compileAll(units) {
  mkdirSync(join(build, 'objects'), { recursive: true })
  const stale = units.filter(({ object, digest }) => !existsSync(object) || digestOf(object) !== digest)
  const queue = [...stale]
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await compile(next)
  }
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))
  return stale.length
}

function digestOf(object) {
  return existsSync(`${object}.hash`) ? readFileSync(`${object}.hash`, 'utf8') : ''
}

/** Files appear whole: another build, or a process that has the library loaded, may be at work beside this one. */
async function compile({ file, flags, object, digest }) {
  const partial = `${object}.${process.pid}`
  try {
    const { stderr } = await promisify(execFile)(compiler.name, [...flags, '-c', file, '-o', partial])
    if (stderr) process.stderr.write(stderr)
    renameSync(partial, object)
    writeFileSync(`${object}.hash`, digest)
  } catch (error) {
    process.stderr.write(error.stderr ?? '')
    fail(1, 'compilation-failed', `${basename(object)}: see above`)
  }
}

/**
 * Of a function that several objects define inline, the linker keeps any one: a level's must all bear the level's name, or
 * a machine without its instructions might run them.
 */
function checkSymbols(units) {
  for (const { level, object } of units.filter(({ level }) => level)) {
    let symbols
    try {
      symbols = execFileSync('nm', ['-C', '--defined-only', object], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    } catch {
      return // no binutils
    }
    const shared = symbols.split('\n').find((line) => / [WVu] /.test(line) && !line.includes(`warpline::${level}::`))
    if (shared && sanitize.length === 0) fail(1, 'level-leak', `${basename(object)} shares ${shared.slice(19)}`)
  }
}

/** The C++ library goes in statically where there is a shared one to miss on the user's machine. */
function link(output, objects, extra) {
  const runtime = process.platform === 'darwin' || sanitize.length > 0 ? [] : ['-static-libstdc++', '-static-libgcc']
  const threads = process.platform === 'win32' ? [] : ['-pthread']
  const partial = `${output}.${process.pid}`
  try {
    execFileSync(compiler.name, ['-o', partial, ...objects, ...extra, ...runtime, ...threads, ...sanitize])
    renameSync(partial, output)
  } catch {
    fail(1, 'linking-failed', `${relative(root, output)}: see above`)
  }
}

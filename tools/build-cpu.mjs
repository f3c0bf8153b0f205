/**
 * Compiles native/cpu into one shared library, native/cpu/build/<platform>-<arch>/, with the system's C++ compiler: the
 * environment's CXX (a command, arguments included), or the first of c++, g++ and clang++. Sources in kernels/ are
 * compiled once for each dispatch level, with that level's instruction sets; all else with the compiler's baseline. What
 * has not changed is not compiled again.
 *
 *   node tools/build-cpu.mjs [--release] [--target=PLATFORM-ARCH] [--test] [--bench] [--sanitize=address|thread]
 *
 * --release also links the library that packages carry, without symbols, into the subfolder `release`; --target names what
 * CXX compiles for (linux-arm64, say) where that is not this machine; --test also builds native/cpu/test into
 * `kernel-tests`, --bench bench/cpu/kernels into `kernel-bench`; --sanitize builds all of it into a folder of its own.
 * Exits with 3 where there is no compiler.
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
  win32: ['-shared', '-Wl,--gc-sections'],
}
/**
 * The C++ library goes in statically where there is a shared one to miss on the user's machine, or one of another version;
 * libgcc_s is there wherever Node is.
 */
const RUNTIME = { linux: ['-static-libstdc++'], win32: ['-static'] }
const STRIP = { darwin: ['-Wl,-x'] }
/** Functions that are to be called by their oldest versions: see native/cpu/core/glibc.cc. */
const OLD_NAMES = [
  ...['pthread_create', 'pthread_join', 'pthread_once', '__pthread_key_create'],
  ...['exp', 'log', 'pow', 'expf', 'logf', 'powf'],
]

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
/** GCC keeps stacks aligned to 16 bytes on Windows and spills vectors as if to more (GCC bug 54412). */
const GCC_WINDOWS = ['-Wa,-muse-unaligned-vector-move']
const SANITIZE = {
  address: ['-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'],
  thread: ['-O1', '-fsanitize=thread'],
}

const { values: options } = parseArgs({
  options: {
    release: { type: 'boolean', default: false },
    target: { type: 'string', default: `${process.platform}-${process.arch}` },
    test: { type: 'boolean', default: false },
    bench: { type: 'boolean', default: false },
    sanitize: { type: 'string' },
  },
})
const sanitize = options.sanitize ? (SANITIZE[options.sanitize] ?? fail(2, 'unknown-sanitizer', options.sanitize)) : []
const [platform, arch] = options.target.split('-')
const levels = LEVELS[arch] ?? { portable: [] }
const compiler = findCompiler()
const isGcc = !compiler.version.includes('clang')
const kernelFlags = isGcc ? [...KERNEL, ...GCC_KERNEL] : KERNEL
const windows = platform === 'win32'
const build = join(source, 'build', [options.target, options.sanitize].filter(Boolean).join('-'))

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
  const tested = windows ? ['-D_USE_MATH_DEFINES', '-D__USE_MINGW_ANSI_STDIO=1'] : []
  const tests = options.test ? sourcesIn(join(source, 'test')).map((file) => unit(file, ['-I', source, ...tested])) : []
  const benches = options.bench
    ? sourcesIn(join(root, 'bench', 'cpu', 'kernels')).map((file) => unit(file, ['-I', source]))
    : []
  const all = [...units, ...tests, ...benches]
  const compiled = await compileAll(all)

  const objects = units.map(({ object }) => object)
  const file = LIBRARY[platform] ?? LIBRARY.linux
  const library = join(build, file)
  const shared = SHARED[platform] ?? ['-shared']
  link(library, objects, shared)
  if (options.release) {
    mkdirSync(join(build, 'release'), { recursive: true })
    link(join(build, 'release', file), objects, [...shared, ...(STRIP[platform] ?? ['-s'])])
  }
  if (options.test) checkSymbols(units)
  if (options.test) link(join(build, 'kernel-tests'), [...objects, ...tests.map(({ object }) => object)], [])
  if (options.bench) link(join(build, 'kernel-bench'), [...objects, ...benches.map(({ object }) => object)], [])
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  console.error(`${relative(root, library)}: ${compiled} of ${all.length} files compiled in ${seconds} s`)
}

function findCompiler() {
  const tried = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  for (const command of tried) {
    // A path with spaces is a program; a program with spaces behind it has arguments.
    const [name, ...words] = existsSync(command) ? [command] : command.trim().split(/\s+/)
    const ask = (question) =>
      execFileSync(name, [...words, question], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      return { name, words, version: ask('--version'), machine: ask('-dumpmachine') }
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
  const system = windows ? (isGcc ? GCC_WINDOWS : []) : ['-fPIC', '-pthread']
  const flags = [...compiler.words, ...COMPILE, ...system, ...sanitize, ...extra]
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

function link(output, objects, extra) {
  const runtime = sanitize.length > 0 ? [] : (RUNTIME[platform] ?? [])
  const glibc = sanitize.length === 0 && /linux-gnu/.test(compiler.machine)
  const names = glibc && LEVELS[arch] ? OLD_NAMES.map((name) => `-Wl,--wrap=${name}`) : []
  const threads = windows ? [] : ['-pthread']
  const partial = `${output}.${process.pid}`
  const flags = [...extra, ...runtime, ...names, ...threads, ...sanitize]
  try {
    execFileSync(compiler.name, [...compiler.words, '-o', partial, ...objects, ...flags])
    renameSync(partial, output)
  } catch {
    fail(1, 'linking-failed', `${relative(root, output)}: see above`)
  }
}

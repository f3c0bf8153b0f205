/**
 * Runs the native library's tests under AddressSanitizer with UndefinedBehaviorSanitizer, then under ThreadSanitizer:
 * native/cpu/test by itself, and test/backend/cpu in Node with a sanitized library. Linux with g++ or clang++; minutes.
 *
 *   node tools/test-sanitize.mjs [address|thread]
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { isAbsolute, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const compiler = process.env.CXX ?? 'c++'

const SANITIZERS = {
  // Leaks are Node's business: it does not free what the end of the process frees.
  address: { runtimes: ['asan', 'ubsan'], environment: { ASAN_OPTIONS: 'detect_leaks=0' } },
  // Node itself is not instrumented: what it does without the sanitizer's knowledge is not looked at.
  thread: { runtimes: ['tsan'], environment: { TSAN_OPTIONS: 'ignore_noninstrumented_modules=1 halt_on_error=1' } },
}
const SUITES = ['operations', 'quantised', 'same-answer', 'sampling', 'golden', 'executor']

const wanted = process.argv[2] ? [process.argv[2]] : Object.keys(SANITIZERS)
for (const name of wanted) check(name)

function check(name) {
  const sanitizer = SANITIZERS[name] ?? fail(2, `unknown-sanitizer: ${name}; choose address or thread`)
  const folder = join(root, 'native', 'cpu', 'build', `${process.platform}-${process.arch}-${name}`)
  run(process.execPath, ['tools/build-cpu.mjs', '--test', `--sanitize=${name}`])
  run(join(folder, 'kernel-tests'), [], sanitizer.environment)
  const tests = SUITES.map((suite) => `test/backend/cpu/${suite}.test.ts`)
  // One process for a file: the sanitizer's exit status is the test's.
  for (const test of tests) {
    run(process.execPath, ['--import', 'tsx', test], {
      ...sanitizer.environment,
      LD_PRELOAD: sanitizer.runtimes.map(runtime).filter(Boolean).join(' '),
      WARPLINE_CPU_LIBRARY: join(folder, 'libwarpline-cpu.so'),
    })
  }
}

/** The sanitizer's shared library, which must come first in a process whose program was built without it. */
function runtime(name) {
  const candidates = [`lib${name}.so`, `libclang_rt.${name}-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so`]
  return candidates
    .map((file) => execFileSync(compiler, [`-print-file-name=${file}`], { encoding: 'utf8' }).trim())
    .find(isAbsolute)
}

function run(command, args, environment = {}) {
  process.stderr.write(`warpline: ${[command, ...args].join(' ')}\n`)
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })
  if (result.status === 0) return
  process.stdout.write(result.stdout)
  fail(1, `sanitizer-failed: ${args.at(-1) ?? command}`)
}

function fail(code, message) {
  process.stderr.write(`${message}\n`)
  process.exit(code)
}

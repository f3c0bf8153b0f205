// Makes a checkout ready to run: installs dependencies if the lock file asks for others than are there, and builds if
// the sources changed. Does nothing, and needs no network, when both are up to date. Plain JavaScript on purpose: it
// runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const NODE_MAJOR = 20
const NO_COMPILER = 3

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR) {
  fail(`node-too-old: this is Node ${process.versions.node}; install Node ${NODE_MAJOR} or newer`)
}

// Stamped inside node_modules, so that deleting the folder deletes the claim that it is complete.
upToDate('node_modules/.warpline-ready', ['package-lock.json'], () => {
  say('installing dependencies')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
})
upToDate(
  'dist/.warpline-ready',
  ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', ...filesUnder('src')],
  () => {
    say('building')
    rmSync(join(root, 'dist'), { recursive: true, force: true })
    run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'])
  },
)

if (!process.env.WARPLINE_CPU_LIBRARY) buildNative()

/** The native library is worth having, but nothing depends on it: without a compiler the reference backend runs. */
function buildNative() {
  const inputs = ['tools/build-cpu.mjs', ...filesUnder('native/cpu').filter((file) => !/[\\/]build[\\/]/.test(file))]
  const stamp = `native/cpu/build/${process.platform}-${process.arch}/.warpline-ready`
  // A compiler that comes, goes or changes its place is a reason to try again.
  upToDate(
    stamp,
    inputs,
    () => {
      say('compiling the native library, a minute or so')
      const { status } = spawnSync(process.execPath, ['tools/build-cpu.mjs'], { cwd: root, stdio: ['ignore', 2, 2] })
      if (status !== 0)
        process.stderr.write(
          'warpline: goes on without a new one; where there is none, plain JavaScript runs in its place\n',
        )
      return status === 0 || status === NO_COMPILER
    },
    compilers().join(),
  )
}

function compilers() {
  const names = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  const folders = (process.env.PATH ?? '').split(delimiter)
  return names.flatMap((name) => folders.map((folder) => resolve(folder, name))).filter((path) => existsSync(path))
}

/** Runs `make` unless the stamp holds the hash of the inputs; stamps unless it returns false. */
function upToDate(stamp, inputs, make, circumstances = '') {
  const hash = hashOf(inputs) + circumstances
  const path = join(root, stamp)
  if (existsSync(path) && readFileSync(path, 'utf8') === hash) return
  if (make() === false) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, hash)
}

function hashOf(files) {
  const hash = createHash('sha256').update(process.versions.modules)
  for (const file of files) hash.update(file).update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

function filesUnder(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort()
}

/** Everything the tools print goes to standard error: standard output belongs to the command that follows. */
function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (result.status !== 0) fail(`not-ready: ${command} ${args[0]} failed; see the messages above`)
}

function say(what) {
  process.stderr.write(`warpline: ${what} (once)\n`)
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

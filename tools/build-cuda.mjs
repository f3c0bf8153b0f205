/**
 * Compiles native/cuda with nvcc, ahead of time: each <module>.cu becomes native/cuda/build/sm_<architecture>/<module>.cubin. What has
 * not changed is not compiled again. Registers, shared memory and spills of every kernel go into <architecture>/resources.json.
 *
 *   node tools/build-cuda.mjs [--arch 90a,80,...] [--check]
 *
 * All architectures that nvcc knows are built unless some are named. --check fails where a kernel spills registers. Exits with 3 where
 * there is no nvcc.
 */
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

const NO_COMPILER = 3
const ARCHITECTURES = ['80', '86', '89', '90a', '100', '120']
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const source = join(root, 'native', 'cuda')
const nvcc = process.env.NVCC ?? 'nvcc'

const { values: options } = parseArgs({
  options: { arch: { type: 'string' }, check: { type: 'boolean', default: false } },
})

const version = versionOfCompiler()
const known = execFileSync(nvcc, ['--list-gpu-code'], { encoding: 'utf8' }).split('\n')
const architectures =
  options.arch?.split(',') ?? ARCHITECTURES.filter((name) => known.includes(`sm_${name.replace('a', '')}`))
const common = hashOf(sources(/\.cuh$/))
const jobs = architectures.flatMap((architecture) => sources(/\.cu$/).map((file) => ({ architecture, file })))
const reports = new Map(architectures.map((name) => [name, {}]))
const started = Date.now()
let compiled = 0

await Promise.all(Array.from({ length: availableParallelism() }, work))
for (const [architecture, report] of reports) {
  writeFileSync(join(folderOf(architecture), 'resources.json'), `${JSON.stringify(sorted(report), null, 2)}\n`)
}
const spilling = [...reports].flatMap(([architecture, report]) =>
  Object.entries(report)
    .filter(([, { spills }]) => spills > 0)
    .map(([kernel, { spills }]) => `sm_${architecture} ${kernel}: ${spills} bytes spilled`),
)
for (const line of spilling) say(line)
say(`${compiled} of ${jobs.length} modules compiled in ${((Date.now() - started) / 1000).toFixed(1)} s`)
if (options.check && spilling.length > 0) process.exit(1)

async function work() {
  for (let job = jobs.pop(); job; job = jobs.pop()) await compile(job)
}

async function compile({ architecture, file }) {
  const module = relative(source, file).replace(/\.cu$/, '').replaceAll('\\', '/')
  const output = join(folderOf(architecture), `${module}.cubin`)
  const stamp = `${output}.json`
  const hash = createHash('sha256').update(version).update(common).update(readFileSync(file)).digest('hex')
  const built = existsSync(output) && existsSync(stamp) ? JSON.parse(readFileSync(stamp, 'utf8')) : undefined
  if (built?.hash !== hash) {
    mkdirSync(dirname(output), { recursive: true })
    const target = `-gencode=arch=compute_${architecture},code=sm_${architecture}`
    const flags = ['-std=c++17', '-O3', '-I', source, target, '-cubin', '-Xptxas', '-v', '-o', output, file]
    const { stderr } = await promisify(execFile)(nvcc, flags, { maxBuffer: 2 ** 26 }).catch((error) => {
      process.stderr.write(`${error.stderr ?? error.message}\n`)
      process.exit(1)
    })
    for (const line of stderr.split('\n')) if (/warning|error/.test(line)) say(line)
    writeFileSync(stamp, JSON.stringify({ hash, kernels: resourcesIn(stderr) }))
    compiled++
  }
  const { kernels } = JSON.parse(readFileSync(stamp, 'utf8'))
  for (const [name, use] of Object.entries(kernels)) reports.get(architecture)[`${module}:${name}`] = use
}

/** What ptxas says of each kernel. */
function resourcesIn(text) {
  const kernels = {}
  let current
  for (const line of text.split('\n')) {
    const name = /Compiling entry function '([^']+)'/.exec(line)?.[1]
    if (name) {
      current = { registers: 0, shared: 0, stack: 0, spills: 0 }
      kernels[name] = current
    }
    if (!current) continue
    const number = (pattern) => Number(pattern.exec(line)?.[1] ?? 0)
    current.stack += number(/(\d+) bytes stack frame/)
    current.spills += number(/(\d+) bytes spill stores/)
    current.registers += number(/Used (\d+) registers/)
    current.shared += number(/(\d+) bytes smem/)
  }
  return kernels
}

function sources(pattern) {
  return readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((file) => !relative(source, file).startsWith('build'))
    .sort()
}

function folderOf(architecture) {
  const folder = join(source, 'build', `sm_${architecture}`)
  mkdirSync(folder, { recursive: true })
  return folder
}

function versionOfCompiler() {
  try {
    return execFileSync(nvcc, ['--version'], { encoding: 'utf8' })
  } catch {
    say('nvcc was not found: kernels are compiled by NVRTC when they are first used')
    process.exit(NO_COMPILER)
  }
}

function hashOf(files) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(relative(source, file)).update(readFileSync(file))
  return hash.digest('hex')
}

function sorted(object) {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function say(what) {
  process.stderr.write(`build:cuda: ${what}\n`)
}

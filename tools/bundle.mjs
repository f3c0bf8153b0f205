/**
 * Makes a portable folder that runs on a Linux host with nothing installed but NVIDIA's driver: this Node, the compiled package with its
 * dependencies, native libraries and kernels, models, tests and benchmarks.
 *
 *   npm run bundle -- [--out FOLDER] [--archive] [--code-only]
 *
 * --archive also packs it into FOLDER.tar.xz. --code-only leaves out Node, models and the tests' data, for a host that has a checkout.
 * In the folder: ./warpline COMMAND ..., ./test-gpu [NAMES], ./bench-cuda [OPTIONS].
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const name = `warpline-${process.platform}-${process.arch}`
const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: join(root, '.cache', 'bundle', name) },
    archive: { type: 'boolean', default: false },
    'code-only': { type: 'boolean', default: false },
  },
})
const out = resolve(options.out)
const compiled = join(root, '.cache', 'bundle', 'compiled')

rmSync(out, { recursive: true, force: true })
rmSync(compiled, { recursive: true, force: true })
mkdirSync(join(out, 'bin'), { recursive: true })
run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.bundle.json'])
for (const folder of readdirSync(compiled)) cpSync(join(compiled, folder), join(out, folder), { recursive: true })
rmSync(compiled, { recursive: true, force: true })
cpSync(join(root, 'package.json'), join(out, 'package.json'))
for (const folder of productionPackages()) copy(folder)
copy('native/cuda', (path) => !path.includes('.cubin.json'))
copy(`native/cpu/build/${process.platform}-${process.arch}`, (path) => !/\.o$|\.json$|kernel-/.test(path))
if (!options['code-only']) {
  copy('models')
  copyData('test')
  copyData('bench')
  bringNode()
}
script('warpline', 'src/cli/main.js')
script('test-gpu', 'test/gpu/main.js')
script('bench-cuda', 'bench/cuda/main.js')
say(`${relative(process.cwd(), out)} is ready`)
if (options.archive) {
  execFileSync('tar', ['-cJf', `${out}.tar.xz`, '-C', dirname(out), relative(dirname(out), out)])
  say(`${out}.tar.xz: ${(statSync(`${out}.tar.xz`).size / 1e6).toFixed(1)} MB`)
}

/** Folders of node_modules that the package needs to run, optional ones for this platform included. */
function productionPackages() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return Object.entries(packages)
    .filter(([path, { dev }]) => path && !dev && existsSync(join(root, path)))
    .map(([path]) => path)
}

function copy(path, filter = () => true) {
  if (existsSync(join(root, path))) cpSync(join(root, path), join(out, path), { recursive: true, filter })
}

/** All but TypeScript, whose compiled form is there already. */
function copyData(folder) {
  copy(folder, (path) => !/\.ts$|node_modules/.test(path))
}

function bringNode() {
  const node = join(out, 'bin', 'node')
  cpSync(process.execPath, node)
  chmodSync(node, 0o755)
  // Symbols of Node itself are two tenths of it; a host without strip keeps them.
  spawnSync('strip', [node])
}

function script(file, main) {
  const text = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
node="$here/bin/node"
[ -x "$node" ] || node=node
exec "$node" "$here/${main}" "$@"
`
  writeFileSync(join(out, file), text, { mode: 0o755 })
}

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(1)
}

function say(what) {
  process.stderr.write(`bundle: ${what}\n`)
}

// Runs the native tests under AddressSanitizer with UndefinedBehaviorSanitizer, then under ThreadSanitizer. Some minutes.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

for (const sanitizer of ['address', 'thread']) {
  process.stderr.write(`native tests under the ${sanitizer} sanitizer\n`)
  run(process.execPath, ['tools/build-cpu.mjs', '--test', `--sanitize=${sanitizer}`])
  run(join(root, `native/cpu/build/${process.platform}-${process.arch}-${sanitizer}/kernel-tests`), [])
}

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

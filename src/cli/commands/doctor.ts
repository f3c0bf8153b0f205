import { Command } from 'commander'
import { type Diagnosis, diagnose } from '../../index.js'
import { write, writeJson } from '../output.js'

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('what this machine can run, and why not')
    .option('--json', 'print one JSON object')
    .action(async ({ json }: { json?: boolean }) => {
      const diagnosis = await diagnose()
      await (json ? writeJson(diagnosis) : write(describe(diagnosis)))
    })
}

function describe({ warpline, node, platform, cpu, memory, devices, hub, bundledModel }: Diagnosis): string {
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`
  const rows: [string, string][] = [
    ['warpline', warpline],
    ['node', node],
    ['platform', platform],
    ['processor', `${cpu.model}, ${cpu.cores} cores`],
    ['memory', `${gigabytes(memory.free)} free of ${gigabytes(memory.total)}`],
    ...devices.map(({ name, usable, detail }): [string, string] => [
      `device ${name}`,
      `${usable ? 'usable' : 'not usable'}: ${detail}`,
    ]),
    ['default device', devices.find((device) => device.chosen)?.name ?? 'none'],
    ['model cache', hub.cache],
    ['bundled model', bundledModel ? 'present' : 'missing: reinstall the package'],
  ]
  const width = Math.max(...rows.map(([label]) => label.length))
  return `${rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join('\n')}\n`
}

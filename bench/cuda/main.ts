/**
 * Times Warpline on one GPU against what the device does at best, measured in the same run.
 *
 *   npm run bench:cuda -- [--only gpt,llama] [--model 6.7B] [--json FILE]
 *
 * Exits with 1 where a target is missed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureLimits } from '../../src/backend/cuda/measure-limits.js'
import { gptTable } from './gpt-table.js'
import type { Machine } from './limits.js'
import { llamaRows } from './llama.js'
import { isMissed, lineOf, type Row } from './report.js'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: 'llama,gpt' },
    model: { type: 'string' },
    json: { type: 'string' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'warpline-bench-'))
const rows: Row[] = []
try {
  const { device, readBytes, flops } = await measureLimits(0, ['bf16'])
  const machine: Machine = { device, readBytes, flops: flops.bf16 }
  say(
    `${device}: reads ${(readBytes / 1e9).toFixed(0)} GB/s, bf16 products ${(machine.flops / 1e12).toFixed(0)} TFLOP/s`,
  )
  const sections = { llama: llamaRows, gpt: gptTable }
  for (const [name, section] of Object.entries(sections)) {
    if (!options.only.includes(name)) continue
    for await (const row of section(folder, machine, options.model)) {
      rows.push(row)
      process.stdout.write(`${lineOf(row)}\n`)
    }
  }
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ machine, rows }, null, 1)}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = rows.some(isMissed) ? 1 : 0

function say(what: string): void {
  process.stderr.write(`bench:cuda: ${what}\n`)
}

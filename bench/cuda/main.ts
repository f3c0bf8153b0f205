/**
 * Times Warpline on one GPU against what the device does at best, measured in the same run, and against PyTorch where python3 has it.
 *
 *   npm run bench:cuda -- [--only gpt,decode,kernels] [--model 6.7B] [--no-rivals] [--json FILE]
 *
 * Exits with 1 where a target is missed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureLimits } from '../../src/backend/cuda/measure-limits.js'
import { gptTable } from './gpt-table.js'
import { kernelRows } from './kernels.js'
import type { Machine } from './limits.js'
import { llamaRows } from './llama.js'
import { isMissed, lineOf, type Row } from './report.js'
import { rivalsOf } from './rivals.js'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: 'kernels,llama,gpt' },
    model: { type: 'string' },
    'no-rivals': { type: 'boolean', default: false },
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
  const rivals = options['no-rivals'] ? new Map() : await rivalsOf(options.only, options.model)
  const sections = { kernels: kernelRows, llama: llamaRows, gpt: gptTable }
  for (const [name, section] of Object.entries(sections)) {
    if (!options.only.includes(name)) continue
    for await (const row of section(folder, machine, options.model)) {
      const rival = rivals.get(row.name)
      rows.push(rival ? { ...row, rival } : row)
      process.stdout.write(`${lineOf(rows.at(-1)!)}\n`)
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

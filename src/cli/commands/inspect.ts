import { Command } from 'commander'
import { BUNDLED_MODEL, type Cost, inspectModel, type ModelReport } from '../../index.js'
import { formatQuantity, printOperations } from '../../program/print.js'
import { addModelFlags, loadOptions } from '../flags.js'
import { modelName } from '../model.js'
import { progressBars, write, writeJson } from '../output.js'
import { wholeFrom } from '../values.js'

interface Values extends Record<string, unknown> {
  model?: string
  program?: boolean
  tokens?: number
  context?: number
  batch?: number
  json?: boolean
}

export function inspectCommand(): Command {
  return addModelFlags(new Command('inspect'), { bundled: true })
    .description('what a model is, what it needs and how it decodes by default, without loading its weights')
    .option('--program', 'print the program with bytes and FLOPs of every operation')
    .option('--tokens <count>', 'cost of a prompt of this length (default: 128)', wholeFrom(1))
    .option('--batch <count>', 'cost of a decode step of this many sequences (default: 1)', wholeFrom(1))
    .option('--context <tokens>', 'context length of that decode step (default: as the prompt)', wholeFrom(1))
    .option('--json', 'print one JSON object')
    .action(run)
}

async function run(argument: string | undefined, values: Values): Promise<void> {
  const bars = progressBars()
  let report: ModelReport
  try {
    const { tokens, batch, context } = values
    const name = modelName(argument, values, BUNDLED_MODEL)
    report = await inspectModel(
      name,
      { ...loadOptions(values), onProgress: bars.onProgress },
      { tokens, batch, context },
    )
  } finally {
    bars.stop()
  }
  if (values.json) return writeJson(values.program ? report : { ...report, program: undefined })
  await write(describe(report))
  if (values.program) {
    await write(`\nprompt of ${report.shape.tokens} tokens\n${printOperations(report.program.prompt)}\n`)
    const { batch, context } = report.shape
    const decode = printOperations(report.program.decode)
    await write(`\ndecode step, batch ${batch}, context ${context}\n${decode}\n`)
  }
}

function describe(report: ModelReport): string {
  const rows: [string, string][] = [
    ['model', report.name],
    ['family', report.family],
    ['layers', String(report.layers)],
    ['hidden', String(report.hidden)],
    ['heads', `${report.heads} query, ${report.kvHeads} key/value, ${report.headDim} wide`],
    ['vocabulary', `${report.vocabulary} tokens${report.tokenizer ? '' : ' (no tokenizer: token ids only)'}`],
    ['context', `${report.contextLength} tokens`],
    ['parameters', report.parameters.toLocaleString('en')],
    ['weights', `${report.weightBytes.toLocaleString('en')} bytes as ${report.dtype} on ${report.device}`],
    ['K/V cache', `${report.cacheBytesPerToken.toLocaleString('en')} bytes a token`],
    ['activations', `${report.activationBytesPerToken.toLocaleString('en')} bytes a token of a step`],
    ['prompt', `${costs(report.cost.prompt)} for ${report.shape.tokens} tokens`],
    ['decode', `${costs(report.cost.decode)} a step, batch ${report.shape.batch}, context ${report.shape.context}`],
    ['generation defaults', JSON.stringify(report.generation)],
    ['not used of generation_config', report.ignoredGenerationFields.join(', ') || 'nothing'],
    ['tensors not used', unused(report.unusedTensors)],
    ['chat template', report.chatTemplate ? 'yes' : 'no'],
  ]
  const width = Math.max(...rows.map(([label]) => label.length))
  return `${rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join('\n')}\n`
}

function costs({ bytesRead, bytesWritten, flops }: Cost): string {
  return `${formatQuantity(bytesRead + bytesWritten, 'B')}, ${formatQuantity(flops, 'FLOP')}`
}

function unused(tensors: readonly string[]): string {
  const [first] = tensors
  return first === undefined ? 'none' : `${tensors.length}, the first is ${first}`
}

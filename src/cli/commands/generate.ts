import { Command } from 'commander'
import { BUNDLED_MODEL, type LLM, type Part, type Prompt, type Result } from '../../index.js'
import { Exit, INTERRUPTED } from '../exit.js'
import { addGenerationFlags, addModelFlags, checkOutput, generateOptions } from '../flags.js'
import { abortOnInterrupt, modelName, withModel } from '../model.js'
import { say, summaryLine, write, writeJson } from '../output.js'
import { readText } from '../read-text.js'
import { UsageError } from '../usage-error.js'
import { collect, collectIds } from '../values.js'

const OPENING = 'Once upon a time'

interface Values extends Record<string, unknown> {
  model?: string
  prompt?: string[]
  promptIds?: (readonly number[])[]
  promptFile?: string
  json?: boolean
}

export function generateCommand(): Command {
  const command = new Command('generate').description('continue a text, streaming')
  return addGenerationFlags(addModelFlags(command, { bundled: true }))
    .option('--prompt <text>', `the text to continue (repeatable; default: "${OPENING}")`, collect)
    .option('--prompt-file <file>', 'read the prompt from a file, - for standard input')
    .option('--prompt-ids <ids>', 'the prompt as token ids, like 5,17,3 (repeatable)', collectIds)
    .option('--no-add-special-tokens', 'do not add BOS and its like to a text')
    .option('--json', 'print one JSON object instead of text')
    .action(run)
}

async function run(argument: string | undefined, values: Values): Promise<void> {
  const name = modelName(argument, values, BUNDLED_MODEL)
  checkOutput(values)
  const prompts = await readPrompts(values)
  await withModel(name, values, async (llm) => {
    const interrupt = abortOnInterrupt()
    try {
      const options = { ...generateOptions(values), signal: interrupt.signal }
      const generation = llm.generate(prompts, options)
      if (!values.json) await stream(generation, llm, prompts)
      const results = await generation
      if (values.json) await writeJson(jsonOutput(results))
      say(summaryLine(results, `${llm.info.device} ${llm.info.dtype}`))
      if (interrupt.signal.aborted) throw new Exit(INTERRUPTED)
    } finally {
      interrupt.dispose()
    }
  })
}

async function readPrompts(values: Values): Promise<Prompt[]> {
  const given = [values.prompt, values.promptFile, values.promptIds].filter((value) => value !== undefined)
  if (given.length > 1) throw new UsageError('give one of --prompt, --prompt-file and --prompt-ids')
  if (values.promptIds) return values.promptIds
  if (values.promptFile !== undefined) return [await readText(values.promptFile)]
  return values.prompt ?? [OPENING]
}

/** The first choice streams as it comes; further ones follow whole, each under a heading on standard error. */
async function stream(generation: AsyncIterable<Part>, llm: LLM, prompts: readonly Prompt[]): Promise<void> {
  const others = new Map<string, { part: Part; text: string }>()
  let begun = false
  for await (const part of generation) {
    const text = llm.tokenizer ? part.text : part.tokenIds.map((id) => `${id} `).join('')
    const key = `${part.prompt}.${part.index}`
    if (key === '0.0') {
      // Not before the first part: a request that is refused prints nothing.
      if (!begun) await begin(part, prompts)
      begun = true
      await write(part.finishReason ? `${text}\n` : text)
    } else {
      others.set(key, { part, text: (others.get(key)?.text ?? '') + text })
    }
  }
  const inOrder = [...others.values()].sort((a, b) => a.part.prompt - b.part.prompt || a.part.index - b.part.index)
  for (const { part, text } of inOrder) {
    await begin(part, prompts)
    await write(`${text}\n`)
  }
}

async function begin(part: { prompt: number; index: number }, prompts: readonly Prompt[]): Promise<void> {
  if (prompts.length > 1 || part.index > 0) say(`--- prompt ${part.prompt + 1}, choice ${part.index + 1}`)
  const prompt = prompts[part.prompt]!
  await write(typeof prompt === 'string' ? prompt : '')
}

function jsonOutput(results: readonly Result[]): object {
  const [first] = results
  return results.length === 1 ? first! : { results }
}

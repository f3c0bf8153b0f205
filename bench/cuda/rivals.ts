import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export interface Rival {
  readonly name: string
  readonly value: number
}

/**
 * What PyTorch takes for the same rows on the same GPU, by row name: rivals/torch_gpt.py prints a JSON object a line. Empty where python3 has
 * no torch.
 */
export async function rivalsOf(only: string, model?: string): Promise<Map<string, Rival>> {
  const script = fileURLToPath(new URL('./rivals/torch_gpt.py', import.meta.url))
  const rivals = new Map<string, Rival>()
  try {
    const options = ['--only', only, ...(model ? ['--model', model] : [])]
    const { stdout } = await promisify(execFile)('python3', [script, ...options], { maxBuffer: 2 ** 24 })
    for (const line of stdout.split('\n').filter(Boolean)) {
      const { row, name, value } = JSON.parse(line)
      rivals.set(row, { name, value })
    }
  } catch (error) {
    process.stderr.write(`bench:cuda: no rivals: ${error instanceof Error ? error.message.split('\n')[0] : error}\n`)
  }
  return rivals
}

import { parseArgs } from 'node:util'
import { FAMILIES, type Family } from './shapes.js'
import { STORAGES, type Storage } from './targets.js'

export const USAGE = `npm run bench:cpu -- [options]

Warpline beside llama.cpp and onnxruntime on this machine's CPU: prompts, decoding, loading, memory, with random weights.
The first run writes the models (.cache/bench: 17 GB; GPT-2 alone 2 GB) and installs the peers (bench/cpu/rivals).

  --only gpt2|llama     one model only
  --storage LIST        of ${STORAGES.join(', ')}; all by default
  --prepare             only writes the models and installs the peers
  --quick               tiny models and few rounds: shows that everything works; targets do not count
  --rounds N            timed runs of everything
  --device NAME         Warpline's device; cpu by default
  --threads N           of everyone; 2 by default
  --json                one JSON object on standard output

Exit code 1: a ratio misses its target by more than its spread, or someone failed or computed something else.`

export interface Options {
  readonly families: readonly Family[]
  readonly storages: readonly Storage[]
  readonly prepare: boolean
  readonly quick: boolean
  readonly rounds: number | undefined
  readonly device: string
  readonly threads: number
  readonly json: boolean
  readonly help: boolean
}

/** Throws an Error that names what is wrong with the arguments. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      storage: { type: 'string' },
      prepare: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      device: { type: 'string', default: 'cpu' },
      threads: { type: 'string', default: '2' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const { only, storage, prepare, quick, rounds, device, threads, json, help } = values
  return {
    families: only === undefined ? FAMILIES : [oneOf(FAMILIES, only, '--only')],
    storages: storage === undefined ? STORAGES : storage.split(',').map((name) => oneOf(STORAGES, name, '--storage')),
    rounds: rounds === undefined ? undefined : positive(rounds, '--rounds'),
    threads: positive(threads, '--threads'),
    ...{ prepare, quick, device, json, help },
  }
}

function oneOf<T extends string>(known: readonly T[], name: string, flag: string): T {
  if ((known as readonly string[]).includes(name)) return name as T
  throw new Error(`${flag} takes ${known.join(', ')}, not ${name}`)
}

function positive(value: string, flag: string): number {
  const number = Number(value)
  if (Number.isSafeInteger(number) && number > 0) return number
  throw new Error(`${flag} takes a whole number from 1, not ${value}`)
}

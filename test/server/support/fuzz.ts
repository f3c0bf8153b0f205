/** Malformed requests by the thousand: `npm run fuzz:server -- 5000 SEED`; a short run is part of the tests. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { LLM } from '../../../src/index.js'
import { serve } from '../../../src/server/index.js'

const PATHS = [
  '/v1/completions',
  '/v1/chat/completions',
  '/v1/embeddings',
  '/tokenize',
  '/detokenize',
  '/v2/models/story/generate',
]
const SEEDS: Record<string, unknown>[] = [
  { prompt: 'Once', max_tokens: 2, stream: true, logprobs: 1, n: 2, stop: ['a'], logit_bias: { 5: 1 } },
  { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2, tools: [], stream_options: { include_usage: true } },
  { input: ['a', 'b'], encoding_format: 'base64', pooling: 'last' },
  { prompt: [1, 2], tokens: [1, 2], text_input: 'x', parameters: { max_tokens: 2 }, best_of: 2 },
]
const ODD = [
  null,
  true,
  -1,
  0,
  1e308,
  2 ** 53,
  0.5,
  '',
  'x',
  '\ud800',
  '\u0000',
  'x'.repeat(3000),
  [],
  {},
  [[]],
  [null],
  { a: {} },
]
const ANSWER_MS = 20_000

export interface FuzzReport {
  readonly requests: number
  readonly statuses: Readonly<Record<string, number>>
}

/** Throws where a request is answered with an unexplained 500, or not at all, or where anything is left behind. */
export async function fuzz(llm: LLM, count: number, seed: number): Promise<FuzzReport> {
  const errors: string[] = []
  const logger = pino({ level: 'error' }, { write: (line: string) => void errors.push(line) })
  const server = await serve(llm, { port: 0, modelNames: ['story'], logger, receiveTimeoutMs: 2000 })
  const random = generator(seed)
  const statuses: Record<string, number> = {}
  try {
    for (let i = 0; i < count; i += 16) {
      const batch = Array.from({ length: Math.min(16, count - i) }, () => attack(server.url, random))
      for (const status of await Promise.all(batch)) statuses[status] = (statuses[status] ?? 0) + 1
    }
    const explained = errors.filter((line) => /"err":/.test(line)).length
    assert.ok((statuses[500] ?? 0) <= explained, `${statuses[500]} answers of 500, ${explained} explained in the log`)
    const end = performance.now() + ANSWER_MS
    while (llm.stats().running + llm.stats().waiting > 0) {
      assert.ok(performance.now() < end, 'requests were left in the engine')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.equal(llm.stats().freeBlocks, llm.stats().blocks)
    assert.equal((await fetch(`${server.url}/health`)).status, 200)
  } finally {
    await server.stop()
  }
  return { requests: count, statuses }
}

type Random = () => number

async function attack(url: string, random: Random): Promise<string> {
  return random() < 0.15 ? raw(url, random) : malformed(url, random)
}

async function malformed(url: string, random: Random): Promise<string> {
  const controller = new AbortController()
  const leaves = random() < 0.1 ? setTimeout(() => controller.abort(), random() * 50) : undefined
  const text = JSON.stringify(mutate(structuredClone(pick(SEEDS, random)), random))
  const body = random() < 0.2 ? garble(text, random) : text
  const headers = {
    'content-type': pick(['application/json', 'application/json', 'application/json', 'text/plain', ''], random),
  }
  const { signal } = controller
  const timeout = AbortSignal.timeout(ANSWER_MS)
  try {
    const options = { method: 'POST', headers, body, signal: AbortSignal.any([signal, timeout]) }
    const response = await fetch(url + pick(PATHS, random), options)
    await response.text()
    return String(response.status)
  } catch {
    assert.ok(!timeout.aborted, `no answer to ${body.slice(0, 500)}`)
    return 'left'
  } finally {
    clearTimeout(leaves)
  }
}

/** Below HTTP: pieces of requests, and bytes that are none. */
function raw(url: string, random: Random): Promise<string> {
  const { port, hostname } = new URL(url)
  const starts = [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"prompt"',
    'POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    'GET http://[::bad/ HTTP/1.1\r\nHost: \r\n\r\n',
    'GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n',
    Buffer.from(Array.from({ length: 60 }, () => Math.floor(random() * 256))),
  ]
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    let text = ''
    const timer = setTimeout(() => reject(new Error('a connection was left open')), ANSWER_MS)
    socket.on('data', (data) => (text += data)).on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 'closed')
    })
    socket.write(pick(starts, random))
    setTimeout(() => socket.end(), random() * 30)
  })
}

function mutate(value: Record<string, unknown>, random: Random): Record<string, unknown> {
  const times = Math.floor(random() * 4)
  for (let i = 0; i < times; i++) {
    const names = Object.keys(value)
    const name =
      random() < 0.2
        ? pick(['__proto__x', 'seed', 'temperature', 'best_of', 'guided_json', 'model'], random)
        : pick(names, random)
    if (random() < 0.1) delete value[name]
    else value[name] = pick(ODD, random)
  }
  return value
}

function garble(text: string, random: Random): string {
  const at = Math.floor(random() * text.length)
  return pick([text.slice(0, at), `${text.slice(0, at)}\u0001${text.slice(at)}`, `${text}}`, '['.repeat(5000)], random)
}

function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)]!
}

/** Mulberry32: the same attacks for the same seed. */
function generator(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) {
  const { BUNDLED_MODEL } = await import('../../../src/index.js')
  const [count = 5000, seed = Date.now() % 2 ** 32] = process.argv.slice(2).map(Number)
  process.stderr.write(`seed ${seed}\n`)
  const llm = await LLM.load(BUNDLED_MODEL)
  process.stdout.write(`${JSON.stringify(await fuzz(llm, count, seed))}\n`)
  await llm.close()
}

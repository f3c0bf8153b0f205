import { after, before } from 'node:test'
import { LLM, type LoadOptions } from '../../../src/index.js'
import { type RunningServer, type ServerOptions, serve } from '../../../src/server/index.js'
import { chatModel } from './models.js'

export const MODEL = 'story'

/** A server on a free port, for the tests of a file. */
export interface TestServer {
  readonly llm: LLM
  readonly server: RunningServer
  readonly url: string
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
  json(path: string, body: unknown): Promise<Answered>
}

// biome-ignore lint/suspicious/noExplicitAny: answers are what tests are about
export type Answered = { readonly status: number; readonly body: any; readonly headers: Headers }

export function testServer(options: ServerOptions = {}, load: LoadOptions = {}): TestServer {
  let running: { llm: LLM; server: RunningServer } | undefined
  before(async () => {
    const llm = await LLM.load(chatModel(), load)
    running = { llm, server: await serve(llm, { port: 0, modelNames: [MODEL], ...options }) }
  })
  after(async () => {
    await running?.server.stop()
    await running?.llm.close()
  })
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${running!.server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  return {
    get llm() {
      return running!.llm
    },
    get server() {
      return running!.server
    },
    get url() {
      return running!.server.url
    },
    post,
    async json(path, body) {
      const response = await post(path, body)
      return { status: response.status, body: await response.json(), headers: response.headers }
    },
  }
}

/** Waits until something holds; a test that waits for long has failed. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, ms = 20_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`after ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The data of a stream's events. */
export function eventsOf(text: string): string[] {
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => block.slice('data: '.length))
}

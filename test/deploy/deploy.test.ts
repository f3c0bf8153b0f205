import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Deployment } from 'kubernetes-models/apps/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { Secret, Service } from 'kubernetes-models/v1'
import { parseAllDocuments } from 'yaml'
import { serveCommand } from '../../src/cli/commands/serve.js'
import { createService } from '../../src/server/index.js'
import { testServer } from '../server/support/server.js'

const server = testServer()
const read = (path: string) => readFileSync(join(import.meta.dirname, '../../deploy', path), 'utf8')
const KINDS = { Deployment, PodDisruptionBudget, Secret, Service }
const flags = new Set(serveCommand().options.map((option) => option.long))

function checkFlags(words: readonly string[]): void {
  const used = words.filter((word) => word.startsWith('--'))
  assert.ok(used.length > 0)
  for (const word of used) assert.ok(flags.has(word), `serve has no ${word}`)
}

test('the Kubernetes manifests fit their schemas, and leave time to drain', () => {
  const documents = parseAllDocuments(read('kubernetes/warpline.yaml')).map((document) => document.toJS())
  assert.equal(documents.length, 4)
  for (const document of documents) {
    const Kind = KINDS[document.kind as keyof typeof KINDS]
    assert.doesNotThrow(() => new Kind(document).validate(), document.kind)
  }
  const { spec } = documents.find(({ kind }) => kind === 'Deployment').spec.template
  const { args } = spec.containers[0]
  checkFlags(args)
  const seconds = (flag: string) => Number(args[args.indexOf(flag) + 1])
  assert.ok(spec.terminationGracePeriodSeconds > seconds('--drain-delay') + seconds('--shutdown-timeout'))
})

test('a manifest with a mistake does not fit', () => {
  assert.throws(() => new Deployment({ metadata: { name: 'x' }, spec: { replicas: 'one' } as never }).validate())
})

test('the systemd unit starts a command that exists, and waits for it to stop', () => {
  const unit = read('warpline.service')
  const start = /^ExecStart=(.*)$/m.exec(unit)![1]!.split(' ')
  checkFlags(start)
  const most = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)![1])
  assert.ok(most > Number(start[start.indexOf('--shutdown-timeout') + 1]))
})

test('the dashboard asks for metrics that the server has', async () => {
  const { app } = createService(server.llm)
  const text = await (await app.request('/metrics')).text()
  const names = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map((match) => match[1]))
  const asked = [...read('grafana/warpline.json').matchAll(/(?:vllm|warpline):\w+/g)].map(([name]) => name)
  assert.ok(asked.length > 10)
  for (const name of asked) assert.ok(names.has(name.replace(/_bucket$/, '')), name)
})

// Calls to the server that this page came from.

/** Headers of every call: the key, where the server asks for one. */
export function headers(key) {
  return key ? { authorization: `Bearer ${key}` } : {}
}

/** The model's description; an Error with `status` where it is refused. */
export async function model(key) {
  const response = await fetch('/v1/models', { headers: headers(key) })
  if (!response.ok) throw await failure(response)
  return (await response.json()).data[0]
}

/** Yields the chunks of a streamed answer. */
export async function* stream(path, body, key, signal) {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers(key) },
    body: JSON.stringify(body),
    signal,
  })
  if (!response.ok) throw await failure(response)
  let rest = ''
  for await (const text of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
    const events = (rest + text).split('\n\n')
    rest = events.pop()
    for (const event of events) {
      if (!event.startsWith('data: ')) continue
      const data = event.slice(6)
      if (data === '[DONE]') return
      const chunk = JSON.parse(data)
      if (chunk.error) throw new Error(chunk.error.message)
      yield chunk
    }
  }
}

/** Not every browser iterates over streams. */
async function* chunks(body) {
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

/** Sums of Prometheus' samples by name. */
export async function metrics(key) {
  const response = await fetch('/metrics', { headers: headers(key) })
  if (!response.ok) throw await failure(response)
  const values = new Map()
  for (const line of (await response.text()).split('\n')) {
    const match = /^([\w:]+)(?:\{[^}]*\})? (\S+)/.exec(line)
    if (match) values.set(match[1], (values.get(match[1]) ?? 0) + Number(match[2]))
  }
  return values
}

async function failure(response) {
  const body = await response.json().catch(() => ({}))
  return Object.assign(new Error(body.error?.message ?? `status ${response.status}`), { status: response.status })
}

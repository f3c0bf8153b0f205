import { metrics, model, stream } from './api.js'
import { Chart } from './chart.js'
import { Transcript } from './transcript.js'

const $ = (id) => document.getElementById(id)
const transcript = new Transcript($('transcript'), $('tip'))
const charts = {
  rate: new Chart($('charts'), 'Tokens per second', (value) => value.toFixed(0)),
  queue: new Chart($('charts'), 'Running and waiting', (value) => value.toFixed(0)),
  cache: new Chart($('charts'), 'Cache in use', (value) => `${(100 * value).toFixed(1)} %`),
  first: new Chart($('charts'), 'Time to first token', (value) => `${(1000 * value).toFixed(0)} ms`),
}
let messages = []
let running

const key = () => $('key').value.trim()
const chatMode = () => document.querySelector('input[name=mode]:checked').value === 'chat'

function say(text, isError = false) {
  $('status').textContent = text
  $('status').classList.toggle('error', isError)
}

async function connect() {
  try {
    const { id, max_model_len: context } = await model(key())
    $('model').textContent = `${id}, ${context} tokens of context`
    say('')
  } catch (error) {
    if (error.status === 401) $('key-field').hidden = false
    $('model').textContent = error.status === 401 ? 'needs an API key' : 'not reached'
    say(error.message, true)
  }
}

function parameters() {
  const number = (id) => ($(id).value === '' ? undefined : Number($(id).value))
  const fields = ['max_tokens', 'temperature', 'top_p', 'top_k', 'repetition_penalty', 'seed']
  const values = Object.fromEntries(fields.map((id) => [id, number(id)]))
  return { ...values, stop: $('stop_text').value || undefined, stream: true }
}

/** A chunk's tokens: [text, log-probability, likeliest]. */
function tokensOf(choice) {
  const chat = choice.logprobs?.content
  if (chat) {
    return chat.map(({ token, logprob, top_logprobs: top }) => [token, logprob, top.map((each) => [each.token, each.logprob])])
  }
  const columns = choice.logprobs?.tokens
  if (!columns) return [[choice.delta ? choice.delta.content : choice.text]]
  const { token_logprobs: logprobs, top_logprobs: tops } = choice.logprobs
  return columns.map((token, i) => [token, logprobs[i], Object.entries(tops[i]).sort((a, b) => b[1] - a[1])])
}

async function generate() {
  const prompt = $('prompt').value
  if (running || !prompt.trim()) return
  const chat = chatMode()
  const wanted = $('probabilities').checked
  let body = { ...parameters(), prompt, logprobs: wanted ? 5 : undefined }
  if (chat) {
    const system = $('system').value.trim()
    const question = { role: 'user', content: prompt }
    const all = [...(system ? [{ role: 'system', content: system }] : []), ...messages, question]
    body = { ...parameters(), messages: all, ...(wanted && { logprobs: true, top_logprobs: 5 }) }
    transcript.begin('you', prompt)
    transcript.begin('model')
    messages.push(question)
  } else transcript.begin('completion', prompt)
  running = new AbortController()
  $('send').disabled = true
  $('stop').disabled = false
  say('waiting for the first token…')
  const started = performance.now()
  let first
  let count = 0
  let answer = ''
  let reason = 'stopped'
  try {
    for await (const chunk of stream(chat ? '/v1/chat/completions' : '/v1/completions', body, key(), running.signal)) {
      for (const choice of chunk.choices) {
        answer += choice.delta?.content ?? choice.text ?? ''
        for (const [text, logprob, likely] of tokensOf(choice)) {
          if (!text) continue
          first ??= performance.now()
          count++
          transcript.add(text, logprob, likely)
        }
        reason = choice.finish_reason ?? reason
      }
    }
    summary()
  } catch (error) {
    if (error.name === 'AbortError') summary()
    else say(error.message, true)
  }
  if (chat && answer) messages.push({ role: 'assistant', content: answer })
  else if (chat) messages.pop()
  if (chat && answer) $('prompt').value = ''
  running = undefined
  $('send').disabled = false
  $('stop').disabled = true

  function summary() {
    const seconds = (performance.now() - (first ?? started)) / 1000
    const rate = count > 1 ? `, ${((count - 1) / seconds).toFixed(0)} per second` : ''
    const wait = first ? `, first after ${(first - started).toFixed(0)} ms` : ''
    say(`${count} tokens${rate}${wait}; finished: ${reason}`)
  }
}

let last
async function measure() {
  if (document.hidden) return
  try {
    const values = await metrics(key())
    const now = performance.now()
    const of = (name) => values.get(`vllm:${name}`) ?? 0
    const current = {
      now,
      between: of('inter_token_latency_seconds_count'),
      firsts: of('time_to_first_token_seconds_count'),
      firstSum: of('time_to_first_token_seconds_sum'),
    }
    if (last) {
      charts.rate.push((1000 * (current.between - last.between)) / (now - last.now))
      charts.queue.push(of('num_requests_running') + of('num_requests_waiting'))
      charts.cache.push(of('kv_cache_usage_perc'))
      if (current.firsts > last.firsts) {
        charts.first.push((current.firstSum - last.firstSum) / (current.firsts - last.firsts))
      }
    }
    last = current
  } catch {
    // The next second tries again.
  }
}

$('ask').addEventListener('submit', (event) => {
  event.preventDefault()
  void generate()
})
$('parameters').addEventListener('submit', (event) => event.preventDefault())
$('stop').addEventListener('click', () => running?.abort())
$('clear').addEventListener('click', () => {
  running?.abort()
  messages = []
  transcript.clear()
  say('')
})
$('key').addEventListener('change', () => void connect())
for (const input of document.querySelectorAll('input[name=mode]')) {
  input.addEventListener('change', () => {
    $('system-field').hidden = !chatMode()
    messages = []
    transcript.clear()
  })
}
addEventListener('keydown', (event) => {
  if (event.key === 'Escape') running?.abort()
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void generate()
})
await connect()
await measure()
setInterval(() => void measure(), 1000)

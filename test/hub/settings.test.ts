import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { cacheDirectory, hubSettings } from '../../src/hub/settings.js'
import { temporaryDirectory, writeFiles } from '../weights/support.js'

/** An environment whose home of tokens is empty. */
const noHome = { HF_HOME: '/nonexistent/huggingface' }

test('the cache is where huggingface_hub looks, each variable over the next', () => {
  const env = { HF_HUB_CACHE: '/a', HUGGINGFACE_HUB_CACHE: '/b', HF_HOME: '/c', XDG_CACHE_HOME: '/d' }
  assert.equal(cacheDirectory(env), '/a')
  assert.equal(cacheDirectory({ ...env, HF_HUB_CACHE: '' }), '/b')
  assert.equal(cacheDirectory({ HF_HOME: '/c', XDG_CACHE_HOME: '/d' }), join('/c', 'hub'))
  assert.equal(cacheDirectory({ XDG_CACHE_HOME: '/d' }), join('/d', 'huggingface', 'hub'))
  assert.equal(cacheDirectory({}), join(homedir(), '.cache', 'huggingface', 'hub'))
  assert.equal(cacheDirectory({ HF_HOME: '~/hf' }), join(homedir(), 'hf', 'hub'))
})

test('an option wins over the environment', async () => {
  const env = { HF_ENDPOINT: 'https://a.example', HF_HUB_CACHE: '/a', HF_TOKEN: 'hf_a', HF_HUB_OFFLINE: '1' }
  const options = { endpoint: 'http://b.example/base/', cacheDir: '/b', token: 'hf_b', offline: false }
  const expected = { endpoint: 'http://b.example/base', cacheDir: '/b', token: 'hf_b', offline: false }
  assert.deepEqual(await hubSettings(options, env), expected)
  assert.deepEqual(await hubSettings({}, { ...env, HF_HUB_OFFLINE: '0' }), {
    endpoint: 'https://a.example',
    cacheDir: '/a',
    token: 'hf_a',
    offline: false,
  })
  assert.equal((await hubSettings({}, noHome)).endpoint, 'https://huggingface.co')
})

test('the token is looked for where huggingface_hub keeps it', async (t) => {
  const home = await temporaryDirectory(t)
  const token = async (env: Record<string, string>, asked?: string | false) =>
    (await hubSettings({ token: asked }, env)).token
  assert.equal(await token({ HF_HOME: home }), undefined)
  await writeFiles(home, { token: 'hf_file\n', other: 'hf_other' })
  assert.equal(await token({ HF_HOME: home }), 'hf_file')
  assert.equal(await token({ HF_HOME: home, HF_TOKEN_PATH: join(home, 'other') }), 'hf_other')
  assert.equal(await token({ HF_HOME: home, HUGGING_FACE_HUB_TOKEN: 'hf_old' }), 'hf_old')
  assert.equal(await token({ HF_HOME: home, HUGGING_FACE_HUB_TOKEN: 'hf_old', HF_TOKEN: 'hf_new' }), 'hf_new')
  assert.equal(await token({ HF_HOME: home, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }), undefined)
  assert.equal(await token({ HF_HOME: home }, false), undefined)
  await writeFiles(home, { token: ' \n' })
  assert.equal(await token({ HF_HOME: home }), undefined)
  await mkdir(join(home, 'directory'))
  await assert.rejects(token({ HF_TOKEN_PATH: join(home, 'directory') }), { code: 'file-unreadable' })
})

test('a token that cannot stand in a header is refused without being repeated', async () => {
  for (const token of ['hf_a\r\nx: y', 'hf é', 'hf_\u0000']) {
    await assert.rejects(hubSettings({ token }, noHome), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'hub-token-invalid')
      return !error.message.includes('hf')
    })
  }
})

test('offline mode is understood in the ways huggingface_hub understands it', async () => {
  for (const value of ['1', 'ON', 'yes', 'True'])
    assert.ok((await hubSettings({}, { ...noHome, HF_HUB_OFFLINE: value })).offline)
  for (const value of ['0', '', 'off', 'no'])
    assert.ok(!(await hubSettings({}, { ...noHome, HF_HUB_OFFLINE: value })).offline)
  assert.ok((await hubSettings({}, { ...noHome, TRANSFORMERS_OFFLINE: '1' })).offline)
  assert.equal((await hubSettings({ offline: true, token: 'hf_x' }, noHome)).token, undefined)
})

test('an endpoint that is no plain web address is refused', async () => {
  for (const endpoint of [
    '',
    'huggingface.co',
    'ftp://a.example',
    'https://user:pw@a.example',
    'https://a.example?x=1',
    'file:///etc',
  ]) {
    await assert.rejects(hubSettings({ endpoint }, noHome), { code: 'hub-endpoint-invalid' }, endpoint)
  }
})

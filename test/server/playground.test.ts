import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { testServer } from './support/server.js'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const skip = CHROMIUM ? false : 'no Chromium on this machine'
const server = testServer()
let browser: Browser
before(async () => {
  if (CHROMIUM) browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
})
after(async () => browser?.close())

async function open(): Promise<{ page: Page; faults: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1200, height: 800 } })
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  await page.goto(server.url)
  await page.getByText('tokens of context').waitFor()
  return { page, faults }
}

test('the page completes a text, shows probabilities and draws figures', { skip }, async () => {
  const expected = await server.llm.generate('Once upon a time', { maxTokens: 12, temperature: 0 })
  const { page, faults } = await open()
  await page.getByLabel('Max tokens').fill('12')
  await page.getByLabel('Temperature').fill('0')
  await page.getByRole('button', { name: 'Generate' }).click()
  await page.getByText('finished: length').waitFor()
  assert.equal((await page.locator('.token').allTextContents()).join(''), expected.text)
  await page.locator('.token').first().hover()
  assert.match(await page.getByRole('tooltip').innerText(), /\d %\s+","/)
  await page.locator('.chart polyline[points]').first().waitFor({ state: 'attached' })
  assert.deepEqual(faults, [])
  if (process.env.WARPLINE_SCREENSHOT) await page.screenshot({ path: process.env.WARPLINE_SCREENSHOT })
  await page.close()
})

test('the page chats by keyboard, and stops when told', { skip }, async () => {
  const { page, faults } = await open()
  await page.getByLabel('Chat').check()
  await page.getByLabel('Prompt').fill('Tell me a story')
  await page.getByLabel('Max tokens').fill('400')
  await page.keyboard.press('Control+Enter')
  await page.locator('.token').nth(3).waitFor()
  await page.keyboard.press('Escape')
  await page.getByText('finished: stopped').waitFor()
  const unlabelled = await page.locator('input, textarea').evaluateAll((all) => {
    return all.filter((each) => (each as { labels?: { length: number } }).labels?.length === 0).length
  })
  assert.equal(unlabelled, 0)
  assert.deepEqual(faults, [])
  await page.close()
})

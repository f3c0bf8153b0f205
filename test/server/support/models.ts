import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { BUNDLED_MODEL } from '../../../src/index.js'

const TEMPLATE = `{%- for message in messages %}{{ message.role }}: {{ message.content }}
{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}`

/** The bundled model with a chat template: it does not answer well, but it answers. */
export function chatModel(): string {
  const folder = mkdtempSync(join(tmpdir(), 'warpline-chat-'))
  for (const file of readdirSync(BUNDLED_MODEL)) copyFileSync(join(BUNDLED_MODEL, file), join(folder, file))
  writeFileSync(join(folder, 'chat_template.jinja'), TEMPLATE)
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

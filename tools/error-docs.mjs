// Writes docs/errors.md from the table of codes: node tools/error-docs.mjs (after a build).
import { writeFileSync } from 'node:fs'
import { ERROR_CODES } from '../dist/error-codes.js'

const rows = Object.entries(ERROR_CODES).map(([code, advice]) => `| \`${code}\` | ${advice} |`)
const text = `# Error codes

Every error that a user can cause is a \`WarplineError\` with a stable \`code\` and a message that says what to change. The command
line prints both on one line (the stack with \`--debug\`). Made from \`src/error-codes.ts\` by \`npm run docs\`.

| code | what to do |
| --- | --- |
${rows.join('\n')}
`
writeFileSync(new URL('../docs/errors.md', import.meta.url), text)

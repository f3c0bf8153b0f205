import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ts from 'typescript'
import { CACHE, CONTENDERS } from './paths.js'

/**
 * Contenders as plain JavaScript, so that in their processes nothing stands between Node and the library under test: a
 * TypeScript loader would slow their start. Returns the folder.
 */
export async function buildContenders(): Promise<string> {
  const folder = join(CACHE, 'contenders')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }\n')
  for (const file of await readdir(CONTENDERS)) {
    const source = await readFile(join(CONTENDERS, file), 'utf8')
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022, verbatimModuleSyntax: true },
    })
    await writeFile(join(folder, file.replace(/\.ts$/, '.js')), outputText)
  }
  return folder
}

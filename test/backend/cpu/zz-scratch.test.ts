import { test } from 'node:test'
import { goldenFolders, greedyTokens, promptLogits, readGolden, relativeError } from '../../support/golden.js'
import { loadOnCpu } from './support/load.js'
test('x', async () => {
for (const folder of goldenFolders()) {
  const golden = await readGolden(folder).catch(()=>undefined); if (!golden) continue
  const row: string[] = []
  for (const [w,c] of [['f32','f32'],['bf16','f32'],['f16','f16'],['bf16','bf16'],['int8','f32'],['int4','f32']] as const) {
    const m = await loadOnCpu(folder.directory, { weightType: w, cacheType: c, threads: 2 })
    let worst = 0
    let bad = 0
    for (const [i,p] of golden.prompts.entries()) {
      worst = Math.max(worst, relativeError(await promptLogits(m, p), golden.logits[i]!))
      if (w==='f32') { const g = await greedyTokens(m, p, golden.greedy[i]!.length); if (g.join()!==golden.greedy[i]!.join()) bad++ }
    }
    const long = golden.prompts.find(({length})=>length>=33)!
    const whole = await promptLogits(m,long)
    let same = ''
    for (const ch of [1,7,16]) { const o = await promptLogits(m,long,ch); same += Buffer.from(o.buffer).equals(Buffer.from(whole.buffer)) ? '=' : '!' }
    await m.executor.close()
    row.push(`${w}/${c} ${worst.toExponential(1)}${same}${bad||''}`)
  }
  console.log(folder.name.padEnd(28), row.join('  '))
}
})

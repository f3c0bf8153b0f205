import { readFileSync } from 'node:fs'
import { cpuBackend } from '/work/main/src/backend/cpu/backend.js'
import { lower } from '/work/main/src/model/lower.js'
import { decoderSpec } from '/work/main/src/model/registry.js'
import { optimize } from '/work/main/src/program/passes/optimize.js'
import { openCheckpoint } from '/work/main/src/weights/checkpoint.js'
import { checkpointReader } from '/work/main/src/weights/weight-reader.js'
import { Tokenizer } from '/work/main/src/text/index.js'
import { stepInputs } from '/work/main/test/support/steps.js'
const dir = '/work/shared/real/stories15M'
const ckpt = await openCheckpoint(dir)
const spec = decoderSpec(ckpt.config, (n) => ckpt.tensors.has(n))
const program = optimize(lower(spec, { blockSize: 16, weightType: 'f32', cacheType: 'f32', activationType: 'f32' }))
const reader = checkpointReader(ckpt)
const tok = (await Tokenizer.load(dir))!
const stories: string[] = JSON.parse(readFileSync('/work/shared/real/text/tinystories/tinystories_train_first1000.json','utf8'))
const texts = stories.slice(0,20).map((s)=>tok.encode(s).slice(0,256))
type Q = (row: Float32Array, imp: Float32Array|undefined) => void
const bf = (x:number)=>{const f=new Float32Array([x]);const u=new Uint32Array(f.buffer);u[0]=((u[0]!+0x7fff+((u[0]!>>>16)&1))>>>16)<<16;return f[0]!}
function sym(search: number[], lo:number, hi:number, group=32): Q { return (row, imp) => {
  for (let g=0; g<row.length; g+=group) { let ext=0; const n=Math.min(group,row.length-g); for(let i=0;i<n;i++) if(Math.abs(row[g+i]!)>Math.abs(ext)) ext=row[g+i]!
    let best=Infinity, bs=0
    const tryS=(s:number)=>{ let e=0,p=0,q2=0; const inv=s===0?0:1/s; for(let i=0;i<n;i++){const w=row[g+i]!; const m=imp?imp[g+i]!:1; let q=Math.round(w*inv); q=q<lo?lo:q>hi?hi:q; e+=m*(w-q*s)**2; p+=m*w*q; q2+=m*q*q} if(e<best){best=e;bs=s} return q2?p/q2:0 }
    for (const st of search) { const r=tryS(bf(ext/st)); tryS(bf(r)) }
    for (let k=0;k<2;k++){ const r=tryS(bs); tryS(bf(r)) }
    const inv=bs===0?0:1/bs
    for(let i=0;i<n;i++){let q=Math.round(row[g+i]!*inv); q=q<lo?lo:q>hi?hi:q; row[g+i]=q*bs}
  } } }
const q40 = sym([-8],-8,7), k1=sym([-8,-6.5,-7,-7.5,-8.5,-9,6,6.5,7,7.5],-8,7), fine = sym([-8,-5,-5.5,-6,-6.25,-6.5,-6.75,-7,-7.25,-7.5,-7.75,-8.25,-8.5,-9,5,5.5,5.75,6,6.25,6.5,6.75,7,7.25,7.5],-8,7)
const q8 = sym([127],-127,127)
async function nll(q: (name:string)=>Q|undefined, imp:(name:string)=>Float32Array|undefined) {
  const bySource = new Map([...program.buffers.values()].filter(b=>b.kind==='weight'&&b.shape.length===2).map(b=>[b.source!, b.name]))
  const weights = { async readRows(source: any, first: number, count: number) {
    const v = await reader.readRows(source, first, count); const name = bySource.get(source); if(!name||!count) return v
    const f = q(name); if(!f) return v; const K = program.buffers.get(name)!.shape[1] as number
    for (let r=0;r<v.length;r+=K) f(v.subarray(r,r+K), imp(name)); return v } }
  const ex = await cpuBackend.createExecutor({ program, weights, blocks: 20, blockSize: 16, maxTokens: 256, maxRows: 256 })
  let total=0,n=0
  for (const ids of texts) { const inp = stepInputs([{ids:[...ids],cached:0,blocks:Array.from({length:16},(_,i)=>i)}],{blockSize:16,rows:'all'}); const {logits}=await ex.step(inp); const V=spec.vocabulary
    for(let t=0;t+1<ids.length;t++){let m=-Infinity; for(let i=0;i<V;i++) m=Math.max(m,logits![t*V+i]!); let s=0; for(let i=0;i<V;i++) s+=Math.exp(logits![t*V+i]!-m); total+=m+Math.log(s)-logits![t*V+ids[t+1]!]!; n++} }
  await ex.close(); return total/n
}
const norms = new Map<string, Float32Array>()
for (let i=0;i<6;i++) { for (const [w,nm] of [['qkv','norm1'],['gate-up','norm2']]) { const b=program.buffers.get(`layers.${i}.${nm}.weight`)!; norms.set(`layers.${i}.${w}.weight`, (await reader.readRows(b.source!,0,b.shape[0] as number)).map(x=>x*x)) } }
const plan = (q:Q)=>(n:string)=> n.startsWith('embedding')||n.startsWith('head')? q8 : n.startsWith('layers') ? q : undefined
const none=()=>undefined, gam=(n:string)=>norms.get(n)
console.log('f32', await nll(none as never, none))
console.log('q4_0', await nll(plan(q40), none))
console.log('k1', await nll(plan(k1), none))
console.log('fine', await nll(plan(fine), none))
console.log('k1+gamma', await nll(plan(k1), gam))
const g128 = sym([-8,-6.5,-7,-7.5,-8.5,-9,6,6.5,7,7.5],-8,7,16)
console.log('group16', await nll(plan(g128), none))

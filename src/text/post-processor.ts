/** The tokens that go before and after every text (Hugging Face tokenizers 0.23, `processors`), for single texts. */
import { z } from 'zod'
import { type ComponentJson, fields, invalidTokenizer, isTokenId, settings, unsupported } from './tokenizer-json.js'

export interface Frame {
  before: readonly number[]
  after: readonly number[]
}

const emptyFrame: Frame = { before: [], after: [] }

const templatePiece = z.union([
  z.object({ SpecialToken: z.object({ id: z.string() }) }),
  z.object({ Sequence: z.object({ id: z.string() }) }),
])
const template = z.object({
  single: z.array(templatePiece).max(64),
  special_tokens: z.record(z.string(), z.object({ ids: z.array(z.number()).max(64) })).nullish(),
})
const tokenAndId = z.tuple([z.string(), z.number()])
const classifier = z.object({ cls: tokenAndId, sep: tokenAndId })

const kinds: Record<string, (config: ComponentJson) => Frame> = {
  ByteLevel: () => emptyFrame,
  TemplateProcessing: (config) => {
    const { single, special_tokens: specials } = settings(template, config)
    const idsByName = new Map(Object.entries(specials ?? {}))
    const before: number[] = []
    const after: number[] = []
    let side = before
    for (const piece of single) {
      if ('Sequence' in piece) {
        if (side === after) throw invalidTokenizer('the post-processor writes the text twice')
        side = after
      } else {
        const known = idsByName.get(piece.SpecialToken.id)
        if (known === undefined)
          throw invalidTokenizer(`the post-processor has no id for ${piece.SpecialToken.id.slice(0, 80)}`)
        side.push(...known.ids)
      }
    }
    if (side === before) throw invalidTokenizer('the post-processor leaves the text out')
    return checkedFrame({ before, after })
  },
  BertProcessing: (config) => classifierFrame(config),
  RobertaProcessing: (config) => classifierFrame(config),
  Sequence: (config) => {
    const { processors } = settings(z.object({ processors: fields.parts }), config)
    return processors
      .map(createFrame)
      .reduce(
        (inner, outer) => ({ before: [...outer.before, ...inner.before], after: [...inner.after, ...outer.after] }),
        emptyFrame,
      )
  },
}

export function createFrame(config: ComponentJson): Frame {
  if (!Object.hasOwn(kinds, config.type)) throw unsupported('post-processor', config.type, Object.keys(kinds))
  return kinds[config.type]!(config)
}

function classifierFrame(config: ComponentJson): Frame {
  const { cls, sep } = settings(classifier, config)
  return checkedFrame({ before: [cls[1]], after: [sep[1]] })
}

function checkedFrame(frame: Frame): Frame {
  for (const id of [...frame.before, ...frame.after]) {
    if (!isTokenId(id)) throw invalidTokenizer(`the post-processor adds the token id ${id}`)
  }
  return frame
}

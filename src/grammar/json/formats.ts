import type { Expression } from '../expression.js'
import { parseRegularExpression } from '../regular-expression.js'

const DATE =
  '[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))'
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)'
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?'
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const GROUP = '[0-9a-fA-F]{1,4}'

/**
 * JSON Schema's formats, each by texts that surely have it: not all that the standards allow (no 29th of February, no quoted
 * mail addresses, no abbreviated IPv6), but nothing that they forbid.
 */
const FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  'date-time': `${DATE}T${TIME}`,
  duration:
    'P(?:\\d{1,6}W|(?:\\d{1,6}Y(?:\\d{1,6}M(?:\\d{1,6}D)?)?|\\d{1,6}M(?:\\d{1,6}D)?|\\d{1,6}D)(?:T(?:\\d{1,6}H(?:\\d{1,6}M(?:\\d{1,6}S)?)?|\\d{1,6}M(?:\\d{1,6}S)?|\\d{1,6}S))?|T(?:\\d{1,6}H(?:\\d{1,6}M(?:\\d{1,6}S)?)?|\\d{1,6}M(?:\\d{1,6}S)?|\\d{1,6}S))',
  email: `[A-Za-z0-9_+-]{1,32}(?:\\.[A-Za-z0-9_+-]{1,16}){0,3}@${LABEL}(?:\\.${LABEL}){0,2}\\.[A-Za-z]{2,12}`,
  hostname: `${LABEL}(?:\\.${LABEL}){0,4}`,
  ipv4: `${OCTET}(?:\\.${OCTET}){3}`,
  ipv6: `${GROUP}(?::${GROUP}){7}`,
  uri: `https?://${LABEL}(?:\\.${LABEL}){0,4}(?::[1-9]\\d{0,3})?(?:/[A-Za-z0-9._~-]{0,64}){0,8}(?:\\?[A-Za-z0-9._~=&-]{0,128})?(?:#[A-Za-z0-9._~-]{0,64})?`,
  uuid: '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}',
}

/** Formats that the standard knows and that are not made here: better refused than ignored. */
const UNSUPPORTED = [
  'idn-email',
  'idn-hostname',
  'iri',
  'iri-reference',
  'uri-reference',
  'uri-template',
  'json-pointer',
  'relative-json-pointer',
  'regex',
]

export const FORMAT_NAMES: readonly string[] = Object.keys(FORMATS)

export function isUnsupportedFormat(name: string): boolean {
  return UNSUPPORTED.includes(name)
}

/** Undefined for names that are no format of JSON Schema (`int64`, say): those only comment. */
export function formatExpression(name: string): Expression | undefined {
  const pattern = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined
  return pattern === undefined ? undefined : parseRegularExpression(pattern, 'whole')
}

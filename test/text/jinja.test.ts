import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { strftime } from '../../src/text/jinja/strftime.js'
import { Template, TemplateRefusal } from '../../src/text/jinja/template.js'
import { dataPath } from './data.js'

/** By jinja2 as transformers sets it up: see data/make_reference.py. An error is null. */
const reference = JSON.parse(readFileSync(dataPath('jinja.json'), 'utf8')) as {
  variables: Record<string, unknown>
  cases: [string, string | null][]
}

const now = new Date(2026, 0, 5, 9, 7, 3)

for (const [source, expected] of reference.cases) {
  test(`renders as Python does: ${source.replaceAll('\n', '⏎').slice(0, 60)}`, () => {
    const render = () => new Template(source).render(reference.variables, now)
    if (expected === null) assert.throws(render)
    else assert.equal(render(), expected)
  })
}

test('raise_exception carries the message of the template', () => {
  const template = new Template("{{ raise_exception('System role not supported') }}")
  assert.throws(() => template.render({}, now), new TemplateRefusal('System role not supported'))
})

test('strftime_now writes the given time in English', () => {
  assert.equal(new Template('{{ strftime_now("%d %b %Y") }}').render({}, now), '05 Jan 2026')
  assert.equal(strftime(now, '%A %B %-d, %I:%M %p %y %j %% %Q'), 'Monday January 5, 09:07 AM 26 005 % %Q')
})

test('the generation tag of transformers changes nothing', () => {
  assert.equal(new Template('a{% generation %}b{% endgeneration %}c').render({}, now), 'abc')
})

test('variables cannot reach what JavaScript objects inherit', () => {
  const source = '{{ d.constructor }}|{{ d.__proto__ }}|{{ l.constructor }}|{{ s.constructor }}|{{ "".toString }}'
  assert.equal(new Template(source).render({ d: {}, l: [], s: 'a' }, now), '||||')
  const hostile = JSON.parse('{"__proto__": {"polluted": "yes"}}')
  assert.equal(new Template('{{ d.polluted }}').render({ d: hostile }, now), '')
  assert.equal(({} as { polluted?: string }).polluted, undefined)
})

for (const [name, source] of [
  ['loops', '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}'],
  [
    'doubled text',
    `{% set ns = namespace(a="aaaaaaaa") %}{% for i in range(64) %}{% set ns.a = ns.a + ns.a %}{% endfor %}`,
  ],
  ['doubled lists', `{% set ns = namespace(a=[1]) %}{% for i in range(64) %}{% set ns.a = ns.a + ns.a %}{% endfor %}`],
  ['repeated text', '{{ "a" * 999999999999 }}'],
  ['ranges', '{{ range(999999999) }}'],
  ['recursion', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}'],
] as const) {
  test(`a template without end is stopped: ${name}`, () => {
    assert.throws(() => new Template(source).render({}, now))
  })
}

test('a template that would take the lexer quadratic time is refused', () => {
  assert.throws(() => new Template(' '.repeat(100_000)), /white space/)
})

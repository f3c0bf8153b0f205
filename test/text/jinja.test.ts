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

const shared = '{% set ns = namespace(a=[1]) %}{% for i in range(30) %}{% set ns.a = [ns.a,ns.a] %}{% endfor %}'

for (const [name, source] of [
  ['loops', '{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}'],
  [
    'doubled text',
    `{% set ns = namespace(a="aaaaaaaa") %}{% for i in range(64) %}{% set ns.a = ns.a + ns.a %}{% endfor %}`,
  ],
  ['doubled lists', `{% set ns = namespace(a=[1]) %}{% for i in range(64) %}{% set ns.a = ns.a + ns.a %}{% endfor %}`],
  ['repeated text', '{{ "a" * 999999999999 }}'],
  ['ranges', '{{ range(999999999) }}'],
  ['shared lists, printed', `${shared}{{ ns.a }}`],
  ['shared lists as JSON', `${shared}{{ ns.a | tojson }}`],
  ['shared lists as JSON by unpacked arguments', `${shared}{{ ns.a | tojson(*[]) }}`],
  ['shared lists, compared', `${shared}${shared.replaceAll('ns', 'other')}{{ ns.a == other.a }}`],
  ['shared lists, sought', `${shared}${shared.replaceAll('ns', 'other')}{{ other.a in [ns.a] }}`],
  ['shared lists, joined', `${shared}{{ ns.a | join(',') }}`],
  ['shared lists, joined by attribute', `${shared}{{ [{'b': ns.a}] | join(',', attribute='b') }}`],
  ['shared lists, added to a text', `${shared}{{ 'a' + ns.a }}`],
  ['shared lists in a block', `${shared}{% filter upper %}{{ ns.a }}{% endfilter %}`],
  ['shared mappings', `${shared.replace('[ns.a,ns.a]', "{'a': ns.a, 'b': ns.a}")}{{ ns.a }}`],
  [
    'distinct items of a long list of lists',
    '{% set n = namespace(a=[]) %}{% for i in range(20000) %}{% set n.a = n.a + [[i]] %}{% endfor %}{{ n.a | unique | length }}',
  ],
  ['distinct characters of a long text', "{{ ('a' * 6000000) | list | unique | length }}"],
  ['characters', "{{ ('a' * 6000000) | list | length }}"],
  ['characters in turn', "{% for c in 'a' * 6000000 %}{% endfor %}"],
  ['parts', "{{ ('a,' * 10000000).split(',') | length }}"],
  ['parts from the end', "{{ ('a,' * 10000000).rsplit(',') | length }}"],
  ['words', "{{ ('a ' * 10000000).split() | length }}"],
  ['lines', "{{ ('\\n' * 60000000).splitlines() | length }}"],
  ['indented lines', "{{ ('\\n' * 60000) | indent(60000, blank=true) }}"],
  ['a reversed text', "{{ ('x' * 60000000)[::-1] }}"],
  ['replaced characters', "{{ ('x' * 60000000).replace('', 'y' * 1000) }}"],
  ['replacements', "{{ ('x' * 600000) | replace('x', 'y' * 1000) }}"],
  [
    'upper case in every turn',
    "{% set s = 'x' * 6000000 %}{% for i in range(9999) %}{% if s.upper() == s %}{% endif %}{% endfor %}",
  ],
  [
    'comparisons in every turn',
    "{% set s = 'x' * 6000000 + 'y' %}{% set t = 'x' * 6000000 + 'z' %}{% for i in range(9999) %}{% if t == s %}{% endif %}{% endfor %}",
  ],
  ['a search that nearly matches everywhere', "{{ 'a' * 500000 + 'b' + 'a' * 1000 in 'a' * 60000000 }}"],
  ['prefixes', "{% set s = 'x' * 6000000 %}{% for i in range(9999) %}{{ s.startswith(s) }}{% endfor %}"],
  [
    'sorted long texts',
    "{% set s = 'x' * 6000000 %}{% set n = namespace(a=[]) %}{% for i in range(999) %}{% set n.a = n.a + [s] %}{% endfor %}{{ n.a | sort | length }}",
  ],
  [
    'unknown names',
    '{% for i in range(99999) %}{{ a }}{{ b }}{{ c }}{{ d }}{{ e }}{{ f }}{{ g }}{{ h }}{{ i }}{{ j }}{{ k }}{{ l }}{{ m }}{{ n }}{{ o }}{{ p }}{{ q }}{{ r }}{{ s }}{% endfor %}',
  ],
  ['unfinished turns', '{% for i in range(99999) %}{% for j in range(99) %}{% continue %}{% endfor %}{% endfor %}'],
  [
    'stripped characters',
    "{% set s = 'x' * 6000000 %}{% for i in range(9999) %}{{ s.strip('x' * 60000) }}{% endfor %}",
  ],
  [
    'copied namespaces',
    '{% set l = "ab" * 1 %}{% set n = namespace(a=[]) %}{% for i in range(5000) %}{% set n.a = n.a + ["ab"] %}{% endfor %}{% for i in range(99999) %}{% set x = namespace(n.a) %}{% endfor %}',
  ],
  ['a wide indent', "{{ [[[[1]]]] | tojson(indent='x' * 60000000) }}"],
  ['recursion', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}'],
] as const) {
  test(`a template without end is stopped: ${name}`, () => {
    assert.throws(
      () => new Template(source).render({}, now),
      /come to an end|too much text|too long|call stack|only a text/,
    )
  })
}

test('a template that would take the lexer quadratic time is refused', () => {
  assert.throws(() => new Template(' '.repeat(100_000)), /white space/)
})

test('what is long but honest is rendered', () => {
  const long = 'word, '.repeat(100_000)
  const source =
    "{{ s | trim | length }} {{ s.split(', ') | length }} {{ s[:4] }} {{ s[-3:] }} {{ s[0] }} {{ s.replace('word', 'x') | length }}"
  assert.equal(new Template(source).render({ s: long }, now), '599999 100001 word d,  w 300000')
  assert.equal(new Template('{{ range(50000) | unique | list | length }}').render({}, now), '50000')
})

test('slices and places of strings are counted in code points', () => {
  const source =
    "{{ s[1:3] }}|{{ s[::-1] }}|{{ s[-2:] }}|{{ s[3:0:-2] }}|{{ s[1] }}|{{ s[-4] }}|{{ s[:-9] }}|{{ s[9:] }}|{{ s | last }}|{{ s.replace('', '-', 2) }}|{{ s.strip('a😀') }}"
  assert.equal(new Template(source).render({ s: 'a😀bé' }, now), '😀b|éb😀a|bé|é😀|😀|a|||é|-a-😀bé|bé')
})

test('the reason of a template is short and never a structure', () => {
  assert.throws(() => new Template(`${shared}{{ raise_exception(ns.a) }}`).render({}, now), TemplateRefusal)
  assert.throws(
    () => new Template("{{ raise_exception('x' * 60000000) }}").render({}, now),
    (error: Error) => {
      return error.message.length < 2000
    },
  )
})

/** Damage to Jinja templates, and pieces that take time or memory. */
import { insertOneOf } from './text-mutations.js';
import { pick, type Mutation } from './mutation.js';

/** Loops, growing texts and lists, recursion, nested filters, unfinished tags, and reaching for what is no data. */
const PIECES: readonly string[] = [
  '{% for i in range(1000000000) %}x{% endfor %}',
  '{% for i in range(65536) %}{% for j in range(65536) %}{{ j }}{% endfor %}{% endfor %}',
  '{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}',
  '{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}',
  '{{ "x" * 1000000000 }}',
  '{{ "x" * 2147483648 }}',
  '{{ [1] * 1000000000 }}',
  "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
  "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
  '{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}',
  '{% set ns = namespace(l=[1]) %}{% for i in range(30) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | string }}',
  "{{ 'a' | replace('', 'xxxxxxxx') | replace('x', 'yyyyyyyyyyyyyyyy') | replace('y', 'zzzzzzzzzzzzzzzzzzzzzz') }}",
  "{{ ('a,' * 1) | upper | lower | title | trim | length | string | list | join(',') | reverse | first }}",
  "{{ messages | map(attribute='content') | list | tojson(indent=1000000) }}",
  '{{ messages | tojson(indent=4) | indent(100000000) }}',
  "{{ 'abc' | indent(width=1000000000) }}",
  "{{ ''.join(['a'] * 3) }}{{ 'x'.split('') }}{{ 'x'.replace('', 'y') }}{{ 'x'.strip().rstrip().lstrip() }}",
  "{{ messages[0].__class__ }}{{ messages.constructor }}{{ messages['__proto__'] }}{{ {}['constructor'] }}",
  "{{ messages.constructor.constructor('return process')() }}",
  "{{ range.constructor('return 1')() }}{{ raise_exception.call.call() }}",
  "{{ strftime_now('%Y' * 100000) }}{{ strftime_now(1) }}{{ strftime_now() }}",
  '{{ raise_exception() }}',
  "{{ raise_exception({'a': 1}) }}",
  '{{ range(0, 10, 0) }}{{ range(-1) }}{{ range(1e300) }}{{ range("a") }}{{ range() }}',
  '{{ 1 / 0 }}{{ 1 % 0 }}{{ 1 // 0 }}{{ -1 ** 1 }}{{ 9999999999999999999999 }}',
  '{{ messages[999999999] }}{{ messages[-999999999] }}{{ messages[::0] }}{{ messages[::-1] }}{{ messages[1:"a"] }}',
  '{{ undefined_name.a.b.c }}{{ none.x }}{{ none() }}{{ "a"() }}{{ (1)(2) }}',
  '{% set x = x %}{% set messages = none %}{% for m in none %}{% endfor %}{% for m in 1 %}{% endfor %}',
  '{% if %}{% endif %}{% for %}{% endfor %}{% else %}{% endmacro %}{%',
  '{% break %}{% continue %}{% generation %}{% endgeneration %}{% include "x" %}{% import "x" as y %}',
  '{#',
  '{{',
  '}}',
  '%}',
  '{% endif %}',
  '{% endfor %}',
  '{{ "',
  '{{-',
  '-%}',
  '{% raw %}',
  '{{ (((((((((( }}',
  `{{ ${'('.repeat(3000)}1${')'.repeat(3000)} }}`,
  `{{ ${'not '.repeat(5000)}true }}`,
  `{{ ${'['.repeat(5000)} }}`,
  `{{ 1${' + 1'.repeat(5000)} }}`,
  `{{ messages${'.a'.repeat(5000)} }}`,
  `{{ 'a'${' | upper'.repeat(5000)} }}`,
  `${'{% if true %}'.repeat(3000)}x${'{% endif %}'.repeat(3000)}`,
  `${'{% for i in [1, 2] %}'.repeat(40)}x${'{% endfor %}'.repeat(40)}`,
  ' '.repeat(2000),
  '\n'.repeat(500),
];

const TAGS = /(\{[{%#].*?[}%#]\})/s;

/** A piece between two tags, where it is read as what it is. */
const insertPiece: Mutation = (input, random) => {
  const parts = input.toString('utf8').split(TAGS);
  parts.splice(2 * random.below((parts.length + 1) >> 1), 0, pick(PIECES, random));
  return Buffer.from(parts.join(''));
};

/** A tag, an expression or a name goes, doubles or changes places with another. */
export const moveTags: Mutation = (input, random) => {
  const parts = input.toString('utf8').split(TAGS);
  if (parts.length < 3) return input;
  const [a, b] = [random.below(parts.length), random.below(parts.length)];
  const kind = random.below(3);
  if (kind === 0) parts[a] = '';
  else if (kind === 1) parts[a] = parts[b]!;
  else [parts[a], parts[b]] = [parts[b]!, parts[a]!];
  return Buffer.from(parts.join(''));
};

/** A word of the language or of the messages becomes another one. */
export const replaceWord: Mutation = (input, random) => {
  const text = input.toString('utf8');
  const words = [...text.matchAll(/[a-z_]+|==|!=|[-+*/%~|.,()[\]]/g)];
  if (words.length < 2) return input;
  const { index, 0: found } = pick(words, random);
  const [other] = pick(words, random);
  return Buffer.from(text.slice(0, index) + other + text.slice(index + found.length));
};

export const TEMPLATE_MUTATIONS: readonly Mutation[] = [
  insertPiece,
  insertPiece,
  insertOneOf(PIECES),
  moveTags,
  replaceWord,
  replaceWord,
];

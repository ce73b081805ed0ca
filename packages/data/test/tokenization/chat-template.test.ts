import { describe, expect, it } from 'vitest';
import { ChatTemplate, TemplateRefusal } from '../../src/tokenization/chat-template.js';
import { strftime } from '../../src/tokenization/strftime.js';
import { inputErrorOf } from '../rows/temporary-folder.js';
import { shared, sharedJson } from '../rows/shared-data.js';

const now = new Date('2025-07-10T12:00:00Z');
const template = (source: string): ChatTemplate => new ChatTemplate(source, 'test', now, 2000);

interface TemplateCase {
  chat_template: string;
  data: Record<string, unknown>;
  target: string;
}

describe.skipIf(!shared)('real chat templates (skipped where the shared data is absent)', () => {
  it('renders all 53 exactly', () => {
    const groups = sharedJson<Record<'default' | 'custom', Record<string, TemplateCase>>>(
      'chat-templates/jinja-e2e.json',
    );
    const cases = [...Object.entries(groups.default), ...Object.entries(groups.custom)];
    expect(cases).toHaveLength(53);
    for (const [name, { chat_template, data, target }] of cases) {
      expect([name, template(chat_template).render(data)]).toEqual([name, target]);
    }
  });
});

describe('rendering', () => {
  it('gives templates the globals of transformers', () => {
    const source =
      "{{ strftime_now('%d %b %Y') }} {{ {'a': 1} | tojson }} {% for i in range(3) %}{{ i }}{% endfor %}" +
      '{% if none is none and true and not false %} ok{% endif %}';
    expect(template(source).render({})).toBe('10 Jul 2025 {"a": 1} 012 ok');
  });

  it('tells a refusal of the messages from a fault of the template', () => {
    expect(() => template("{{ raise_exception('only users') }}").render({})).toThrow(
      new TemplateRefusal('only users'),
    );
    expect(() => template('{{ messages[0].x.y() }}').render({ messages: [] })).toThrow(TemplateRefusal);
  });

  it.each([
    ['endless loops', '{% for i in range(60000) %}{% for j in range(60000) %}{% endfor %}{% endfor %}'],
    [
      'lists that double',
      '{% set ns = namespace(x=[1, 2]) %}{% for i in range(24) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
    ],
    [
      'texts that double',
      "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    ],
    [
      'lists that hold one list twice, sixty times over',
      '{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}',
    ],
    [
      'mappings that do',
      "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x ~ '' }}",
    ],
    [
      'namespaces that do, filled at last',
      "{% set leaf = namespace(x=1) %}{% set ns = namespace(x=leaf) %}{% for i in range(30) %}{% set ns.x = namespace(a=ns.x, b=ns.x) %}{% endfor %}{% set leaf.x = 'a' * 1000 %}{{ ns.x | tojson }}",
    ],
    ['a namespace in itself', '{% set ns = namespace() %}{% set ns.x = [ns, ns] %}{{ ns | tojson }}'],
    [
      'a value of every character of a long text',
      "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(21) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x | list | length }}",
    ],
  ])('stops %s', async (_, source) => {
    expect((await inputErrorOf(() => template(source).render({}))).code).toBe('chat-template-runaway');
  });

  it('takes lists that hold one list twice a few times, and namespaces in lists', () => {
    const source =
      '{% set ns = namespace(x=[1]) %}{% for i in range(3) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}' +
      '{% set a = namespace(n=2) %}{% for one in [a, a] %}{{ one.n }}{% endfor %}';
    expect(template(source).render({})).toBe('[[[[1], [1]], [[1], [1]]], [[[1], [1]], [[1], [1]]]]22');
  });

  it('refuses a range without end, and a template too long to be one', async () => {
    expect(() => template('{{ range(1000000000) }}').render({})).toThrow(TemplateRefusal);
    expect((await inputErrorOf(() => template('x'.repeat(2 ** 20 + 1)))).code).toBe('chat-template-invalid');
    expect((await inputErrorOf(() => template('x'.repeat(2 ** 18 + 1)))).code).toBe('chat-template-invalid');
    expect(template('x'.repeat(1000)).render({})).toHaveLength(1000);
  });

  it('refuses blanks without end, which the library would take minutes for', async () => {
    for (const blanks of [' '.repeat(1e5), '\n'.repeat(1e5), ' \t\n'.repeat(400)]) {
      const error = await inputErrorOf(() => template(`a${blanks}b`));
      expect(error.code).toBe('chat-template-invalid');
      expect(error.details.found).toContain('blanks');
    }
    expect(template(`a${' '.repeat(1000)}b`).render({})).toHaveLength(1002);
  });

  it('reads the largest template of blanks and letters in little time', () => {
    const started = performance.now();
    template(`${' '.repeat(999)}x`.repeat(262));
    template(`${'\n'.repeat(999)}x`.repeat(262));
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

describe('strftime, against values of Python’s datetime', () => {
  it.each([
    ['%d %B %Y', '05 January 2024'],
    ['%a %A %b %y %m', 'Fri Friday Jan 24 01'],
    ['%H:%M:%S %I %p %j', '00:07:09 12 AM 005'],
    ['%F %-d %% %Q', '2024-01-05 5 % %Q'],
  ])('%s', (format, text) => {
    expect(strftime(new Date('2024-01-05T00:07:09Z'), format)).toBe(text);
  });
});

/** Chat templates, rendered. */
import { ChatTemplate, TemplateRefusal } from '@selective-dpo/data';
import { Template } from '@huggingface/jinja';
import { changeBytes } from '../mutation/byte-mutations.js';
import { TEMPLATE_MUTATIONS } from '../mutation/template-mutations.js';
import { insertOddText, replaceNumber } from '../mutation/text-mutations.js';
import { inputErrorCode, type FuzzTarget, type PreparedTarget } from '../run/target.js';
import { pollution } from './json-oracle.js';

const SOURCES: readonly string[] = [
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
  "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] | trim %}{% else %}{% set loop_messages = messages %}{% set system = none %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{{ '[INST] ' ~ (system ~ '\\n\\n' if loop.first and system else '') ~ message.content ~ ' [/INST]' }}{% endfor %}",
  "{%- macro turn(m) -%}<{{ m.role | upper }}>{{ m.content | replace('\\n', ' ') }}{%- endmacro -%}{% set ns = namespace(n=0) %}{% for m in messages | selectattr('role', 'equalto', 'user') %}{% set ns.n = ns.n + 1 %}{{ turn(m) }}{% endfor %}{{ ns.n }} {{ messages | tojson }} {{ messages | length }} {{ range(3) | list | join('-') }}",
  "Today is {{ strftime_now('%d %b %Y') if strftime_now is defined else 'unknown' }}.\n{% for m in messages if m.role != 'system' -%}\n  {{- m.role.title() }}: {{ m.content.split(' ')[0].strip() }}\n{% else %}nobody{% endfor %}{{ bos_token }}",
];

const VARIABLES = {
  messages: [
    { role: 'user', content: 'What is the time?\nNow.' },
    { role: 'assistant', content: 'It is noon.' },
    { role: 'user', content: 'Thank you, é🙂!' },
  ],
  tools: null,
  documents: null,
  add_generation_prompt: true,
  bos_token: '<s>',
  eos_token: '</s>',
};

const NOW = new Date('2025-07-10T12:00:00Z');
/** Less than a case may take, so that what the clock stops is told from what it cannot. */
const DEADLINE_MS = 700;
const QUICK_MS = 50;

/** The library's own interpreter, without limits, where ours was quick: the same text. */
function wrongText(source: string, text: string): string | undefined {
  if (/range|strftime_now/.test(source)) return undefined;
  let plain: string;
  try {
    plain = new Template(source).render(VARIABLES);
  } catch (error) {
    return `a text, where the library has ${String(error)}`;
  }
  return plain === text ? undefined : `another text than the library's: ${JSON.stringify(text.slice(0, 80))}`;
}

async function prepare(): Promise<PreparedTarget> {
  return Promise.resolve({
    seeds: SOURCES.map((source) => Buffer.from(source)),
    check(input) {
      const source = input.toString('utf8');
      const started = performance.now();
      const text = new ChatTemplate(source, 'a template', NOW, DEADLINE_MS).render(VARIABLES);
      const quick = performance.now() - started < QUICK_MS;
      if (typeof text !== 'string') return 'no text';
      return (quick ? wrongText(source, text) : undefined) ?? pollution();
    },
    codeOf(error) {
      if (error instanceof TemplateRefusal) return 'template-refusal';
      return inputErrorCode(error);
    },
  });
}

export const templateTarget: FuzzTarget = {
  ...{ name: 'template', what: 'chat templates, parsed and rendered', memoryMiB: 768 },
  mutations: [...TEMPLATE_MUTATIONS, ...TEMPLATE_MUTATIONS, replaceNumber, insertOddText, changeBytes],
  prepare,
};

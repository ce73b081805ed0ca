/** MT-Bench's own judge prompts, from its file `judge_prompts.jsonl`. */
import { z } from 'zod';
import { InputError, InputErrors } from '@selective-dpo/foundation';
import { FileProblems, checkedLines } from '../files/json-records.js';
import { namesIn } from './prompt-template.js';

/** A prompt and the names that must stand in it. */
const PROMPTS = {
  'single-v1': ['question', 'answer'],
  'single-v1-multi-turn': ['question_1', 'answer_1', 'question_2', 'answer_2'],
  'single-math-v1': ['question', 'answer', 'ref_answer_1'],
  'single-math-v1-multi-turn': [
    ...['question_1', 'answer_1', 'question_2', 'answer_2', 'ref_answer_1', 'ref_answer_2'],
  ],
} as const;

export type MtBenchPromptName = keyof typeof PROMPTS;
export interface JudgePrompt {
  name: MtBenchPromptName;
  system: string;
  template: string;
}
export type MtBenchPrompts = Record<MtBenchPromptName, JudgePrompt>;

const schema = z.object({
  ...{ name: z.string(), type: z.string(), system_prompt: z.string().max(1 << 20) },
  ...{ prompt_template: z.string().max(1 << 20), output_format: z.string() },
});

/**
 * Reads the four prompts of single-answer scoring.
 * @throws InputErrors naming every broken line, every prompt that is not there and every name that a prompt lacks.
 */
export async function readMtBenchPrompts(file: string): Promise<MtBenchPrompts> {
  const problems = new FileProblems(file);
  const lines = await checkedLines(file, schema, problems);
  for (const { line, value } of lines) {
    if (!Object.hasOwn(PROMPTS, value.name)) continue;
    const wanted: readonly string[] = PROMPTS[value.name as MtBenchPromptName];
    const found = namesIn(value.prompt_template);
    const wrong = [
      ...wanted.filter((name) => !found.includes(name)),
      ...found.filter((name) => !wanted.includes(name)),
    ];
    if (wrong.length > 0) {
      problems.add(line, 'prompt-template', 'a judge prompt has other marks than its name promises', {
        ...{ field: 'prompt_template', found: found.map((name) => `{${name}}`).join(' ') },
        expected: wanted.map((name) => `{${name}}`).join(' '),
      });
    }
    if (value.output_format !== '[[rating]]') {
      problems.add(line, 'output-format', 'a judge prompt for single answers asks for something else', {
        ...{ field: 'output_format', found: value.output_format, expected: '[[rating]]' },
      });
    }
  }
  problems.refuse();
  const prompts = new Map(lines.map(({ value }) => [value.name, value]));
  const names = Object.keys(PROMPTS) as MtBenchPromptName[];
  const missing = names.filter((name) => !prompts.has(name));
  if (missing.length > 0) {
    throw new InputErrors(
      missing.map(
        (name) => new InputError('prompt-missing', 'a judge prompt is not there', { file, expected: name }),
      ),
    );
  }
  return Object.fromEntries(
    names.map((name) => {
      const { system_prompt: system, prompt_template: template } = prompts.get(name)!;
      return [name, { name, system, template }];
    }),
  ) as MtBenchPrompts;
}

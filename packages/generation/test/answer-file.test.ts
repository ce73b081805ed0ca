import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError, InputErrors, Interrupted } from '@selective-dpo/foundation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTextGenerator, readPrompts, writeAnswers, type TextGenerator } from '../src/index.js';

const POLICY = fileURLToPath(new URL('../../cli/demo/policy', import.meta.url));
const freshFile = async (name: string) => join(await mkdtemp(join(tmpdir(), 'sdpo-answers-')), name);

describe('readPrompts', () => {
  it('reads texts and conversations', async () => {
    const file = await freshFile('prompts.jsonl');
    const messages = [{ role: 'user', content: 'b' }];
    await writeFile(
      file,
      ['"a"', { prompt: 'a', id: 7 }, { prompt: messages }, { messages }]
        .map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`)
        .join('\n'),
    );
    expect(await readPrompts(file)).toEqual([{ text: 'a' }, { text: 'a' }, { messages }, { messages }]);
  });

  it('names every line that is no prompt', async () => {
    const file = await freshFile('prompts.jsonl');
    await writeFile(file, '"fine"\n{"prompt": 3}\n{"messages": []}\n{"text": "x"}\nnonsense\n""\n');
    const error = await readPrompts(file).catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(InputErrors);
    expect([...new Set((error as InputErrors).problems.map(({ details }) => details.line))]).toEqual([
      2, 3, 4, 5, 6,
    ]);
    await writeFile(file, '\n');
    await expect(readPrompts(file)).rejects.toThrow(InputError);
  });
});

describe('writeAnswers', () => {
  let generator: TextGenerator;
  beforeAll(async () => {
    generator = await openTextGenerator(POLICY, { engine: 'wasm', batchSize: 2 });
  });
  afterAll(() => generator.dispose());

  const ORDERS = [
    'Two salads, please.',
    'One brownie for table five?',
    'Can I get three omelettes to go?',
    'Hi there!',
    'Four pretzels.',
  ];
  const options = (outFile: string, rest: object = {}) => ({
    ...{ generator, modelDirectory: POLICY, outFile, seed: 5 },
    prompts: generator.encode(ORDERS.map((content) => ({ messages: [{ role: 'user', content }] }))),
    decoding: { maxNewTokens: 20, temperature: 1 },
    ...rest,
  });

  it('goes on where it was stopped or killed, and ends with the same bytes', async () => {
    const [whole, stopped] = [await freshFile('whole.jsonl'), await freshFile('stopped.jsonl')];
    const result = await writeAnswers(options(whole));
    expect(result).toMatchObject({ prompts: 5, answeredBefore: 0 });
    const bytes = await readFile(whole, 'utf8');
    expect(
      bytes
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { row: number }).row),
    ).toEqual([0, 1, 2, 3, 4]);
    const controller = new AbortController();
    const listener = ({ type }: { type: string }) => type === 'progress' && controller.abort();
    await expect(writeAnswers(options(stopped, { signal: controller.signal, listener }))).rejects.toThrow(
      Interrupted,
    );
    const begun = await readFile(stopped, 'utf8');
    expect(begun.length).toBeGreaterThan(0);
    expect(begun.length).toBeLessThan(bytes.length);
    expect(bytes.startsWith(begun)).toBe(true);
    // A kill in the middle of a line.
    await writeFile(stopped, begun + '{"row":3,"te');
    const before = begun.trim().split('\n').length;
    expect(await writeAnswers(options(stopped))).toMatchObject({ prompts: 5, answeredBefore: before });
    expect(await readFile(stopped, 'utf8')).toBe(bytes);
    expect(await writeAnswers(options(stopped))).toMatchObject({ answeredBefore: 5, tokens: 0 });
    // Negative control: another seed, other answers.
    const other = await freshFile('other.jsonl');
    await writeAnswers(options(other, { seed: 6 }));
    expect(await readFile(other, 'utf8')).not.toBe(bytes);
  });

  it('refuses to go on with other settings, other prompts, or a file of something else', async () => {
    const file = await freshFile('answers.jsonl');
    await writeAnswers(options(file));
    const codes = async (rest: object): Promise<string[]> => {
      const error = await writeAnswers(options(file, rest)).catch((problem: unknown) => problem);
      return (error as InputErrors).problems.map(({ code }) => code);
    };
    expect(await codes({ seed: 6 })).toEqual(['answered-otherwise']);
    expect(await codes({ decoding: { maxNewTokens: 21, temperature: 1 } })).toEqual(['answered-otherwise']);
    expect(await codes({ prompts: options(file).prompts.slice(0, 4) })).toEqual(['answered-otherwise']);
    await writeFile(file, '{"hello": 1}\n');
    expect(await codes({})).toContain('field-invalid');
  });
});

import { mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, InputErrors } from '@selective-dpo/foundation';
import { beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AppendedLines } from '../../src/index.js';

const schema = z.strictObject({ row: z.number(), text: z.string() });
const OPENING = '{"row":';
const LINES = '{"row":0,"text":"é"}\n{"row":1,"text":"b"}\n';

let path: string;
beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'sdpo-lines-')), 'lines.jsonl');
});

async function goOn(inputs: string[] = []): Promise<{ rows: number[]; bytes: string }> {
  const { file, lines } = await AppendedLines.open(path, schema, { opening: OPENING, inputs });
  await file.append([{ row: 9, text: 'new' }]);
  await file.close();
  return { rows: lines.map(({ value }) => value.row), bytes: await readFile(path, 'utf8') };
}

async function refusal(inputs?: string[]): Promise<string[]> {
  const error = await goOn(inputs).catch((problem: unknown) => problem);
  if (error instanceof InputErrors) return error.problems.map(({ code }) => code);
  expect(error).toBeInstanceOf(InputError);
  return [(error as InputError).code];
}

describe('a file that is gone on with', () => {
  it.each(['', '{', '{"row":', '{"row":2,"text":"half', '{"row":2,"text":"\u00e9'.slice(0, -1) + '\u00c3'])(
    'loses what a killed process left of a line: %j',
    async (torn) => {
      await writeFile(path, LINES + torn);
      expect(await goOn()).toEqual({ rows: [0, 1], bytes: `${LINES}{"row":9,"text":"new"}\n` });
    },
  );

  it('keeps half a character out', async () => {
    const bytes = Buffer.concat([Buffer.from(`${LINES}{"row":2,"text":"`), Buffer.from([0xc3])]);
    await writeFile(path, bytes);
    expect((await goOn()).rows).toEqual([0, 1]);
  });

  it.each([
    ['notes', 'my thesis, in one line'],
    ['a prompt', '{"prompt":"keep me"}'],
    ['a whole line of ours', '{"row":2,"text":"whole, but for its end"}'],
    ['another line behind ours', `${LINES}my notes`],
    ['a JSON file', '{\n  "a": 1\n}'],
    ['half a line behind another kind', '{"question_id":1}\n{"row":2,"te'],
  ])('is left as it is where it is %s', async (_, content) => {
    await writeFile(path, content);
    const [code] = await refusal();
    expect(['file-of-another-kind', 'field-invalid', 'json-broken']).toContain(code);
    expect(await readFile(path, 'utf8')).toBe(content);
  });

  it('is no file that is read meanwhile, under any name', async () => {
    await writeFile(path, LINES);
    const link = `${path}.link`;
    await symlink(path, link);
    expect(await refusal([path])).toEqual(['output-is-input']);
    expect(await refusal([link])).toEqual(['output-is-input']);
    expect(await readFile(path, 'utf8')).toBe(LINES);
    // Negative control: another file may be read.
    await writeFile(`${path}.other`, LINES);
    expect((await goOn([`${path}.other`])).rows).toEqual([0, 1]);
  });
});

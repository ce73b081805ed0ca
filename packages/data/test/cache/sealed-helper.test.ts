import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, parseShallowJson } from '@selective-dpo/foundation';
import { expect, it } from 'vitest';
import { readSealed, sealedText } from '../../src/cache/sealed-helper.js';
import { INPUTS_FILE } from '../../src/cache/unfinished-cache.js';
import { mergeCache } from '../../src/cache/index.js';
import { WorkerPart } from '../../src/cache/worker-part.js';
import { freshFolder, sampleInputs, sampleRows } from './sample-cache.js';

const ENDING = { dropped: { identical: 1 }, pairs: 36 };

it('a sealed file is refused for every single bit that flips, and every cut', async () => {
  const file = join(await freshFolder(), 'ending.json');
  const bytes = Buffer.from(sealedText(ENDING));
  let unseen = 0;
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(file, flipped);
    await expect(readSealed(file), `bit ${bit}`).rejects.toBeInstanceOf(InputError);
    unseen += isEnding(flipped.toString('utf8')) ? 1 : 0;
  }
  // Negative control: without the digest some would have been read as another ending.
  expect(unseen).toBeGreaterThan(0);
  for (let length = 0; length < bytes.length; length++) {
    await writeFile(file, bytes.subarray(0, length));
    await expect(readSealed(file), `cut to ${length}`).rejects.toBeInstanceOf(InputError);
  }
  await writeFile(file, bytes);
  expect(await readSealed(file)).toEqual(ENDING);
});

it('a cache is not merged under inputs in which a digit has changed', async () => {
  const directory = await freshFolder();
  const part = await WorkerPart.open(directory, sampleInputs(), { index: 0, count: 1 });
  await part.publishShard(0, sampleRows(36));
  await writeFile(join(directory, 'dropped.jsonl'), '{"row":7,"reason":"identical"}\n');
  await part.finish(36, { identical: 1 });
  const file = join(directory, INPUTS_FILE);
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace('"maxLength":64', '"maxLength":65'));
  await expect(mergeCache(directory)).rejects.toMatchObject({ code: 'cache-damaged', details: { file } });
  // Negative control.
  await writeFile(file, text);
  expect((await mergeCache(directory)).manifest.inputs).toEqual(sampleInputs());
});

function isEnding(text: string): boolean {
  try {
    return Number.isInteger((parseShallowJson(text) as { pairs?: unknown }).pairs);
  } catch {
    return false;
  }
}

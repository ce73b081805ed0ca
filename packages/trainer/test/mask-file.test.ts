import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SeededRandom, publishFile } from '@selective-dpo/foundation';
import { describe, expect, it } from 'vitest';
import { packMask, unpackMask } from '../src/selection/mask-bits.js';
import { MaskFile, writeMasks, type RowMask } from '../src/selection/mask-file.js';
import { freshFolder } from './fresh-folder.js';
import { codesOf, refusalOf } from './refusal.js';

function randomMasks(rows: readonly number[], seed = 1, longest = 40): RowMask[] {
  const random = new SeededRandom(seed);
  const draw = () => Uint8Array.from({ length: 1 + random.below(longest) }, () => random.below(2));
  return rows.map((row) => ({ row, mask: { chosen: draw(), rejected: draw() } }));
}

async function fileOf(masks: RowMask[], rows: number): Promise<string> {
  const path = join(await freshFolder(), 'masks.bin');
  async function* stream() {
    yield* masks;
  }
  await publishFile(path, (handle) => writeMasks(handle, rows, stream()));
  return path;
}

const maskOf = (file: MaskFile, { row, mask }: RowMask) =>
  file.mask(row, mask.chosen.length, mask.rejected.length);

describe('a mask as bits', () => {
  it('comes back as it was, of whatever lengths', () => {
    for (const { mask } of randomMasks(Array.from({ length: 50 }, (_, i) => i))) {
      const bits = packMask(mask);
      expect(bits.length).toBe(Math.ceil((mask.chosen.length + mask.rejected.length) / 8));
      expect(unpackMask(bits, mask.chosen.length, mask.rejected.length)).toEqual(mask);
    }
  });
});

describe('a file of masks', () => {
  it('gives every mask in any order, written in any order', async () => {
    const masks = randomMasks([5, 0, 17, 3, 11]);
    const file = await MaskFile.open(await fileOf(masks, 20), 20);
    for (const each of [...masks].reverse()) expect(await maskOf(file, each)).toEqual(each.mask);
    await file.close();
  });

  it('is written in pieces where it is long', async () => {
    const masks = randomMasks(
      Array.from({ length: 400 }, (_, i) => i),
      2,
      4000,
    );
    const path = await fileOf(masks, 400);
    expect((await readFile(path)).length).toBeGreaterThan(150_000);
    const file = await MaskFile.open(path, 400);
    for (const each of masks.filter(({ row }) => row % 37 === 0))
      expect(await maskOf(file, each)).toEqual(each.mask);
    await file.close();
  });

  it('has no mask of a row that was not written', async () => {
    const file = await MaskFile.open(await fileOf(randomMasks([1]), 3), 3);
    expect(codesOf(await refusalOf(() => file.mask(0, 3, 3)))).toEqual(['run-damaged']);
    expect(codesOf(await refusalOf(() => file.mask(7, 3, 3)))).toEqual(['run-damaged']);
    await file.close();
  });

  it('is refused where it is another, cut short, or no file', async () => {
    const path = await fileOf(randomMasks([0, 1]), 2);
    expect(codesOf(await refusalOf(() => MaskFile.open(path, 3)))).toEqual(['run-damaged']);
    await truncate(path, 20);
    expect(codesOf(await refusalOf(() => MaskFile.open(path, 2)))).toEqual(['run-damaged']);
    await writeFile(path, 'x'.repeat(100));
    expect(codesOf(await refusalOf(() => MaskFile.open(path, 2)))).toEqual(['run-damaged']);
    const folder = join(await freshFolder(), 'masks.bin');
    await mkdir(folder);
    expect(codesOf(await refusalOf(() => MaskFile.open(folder, 2)))).toEqual(['not-a-file']);
  });
});

/** Arrow files with one fault each, and with buffers that unpack to very much, through the thread that the product decodes in. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dictionary, Int32, Table, Utf8, tableToIPC, vectorFromArray } from 'apache-arrow';
import { openPreferenceSource, type PreferenceRow } from '@selective-dpo/data';
import { InputError } from '@selective-dpo/foundation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { zstdBomb } from '../src/mutation/bombs.js';
import { LONG_ROWS, packedStream, repeated } from '../src/targets/arrow-seeds.js';
import { TEXT_ROWS } from '../src/targets/parquet-seeds.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdpo-bad-arrow-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const column = (name: keyof (typeof TEXT_ROWS)[number]) =>
  vectorFromArray(
    TEXT_ROWS.map((row) => row[name]),
    new Utf8(),
  );
const table = new Table({ prompt: column('prompt'), chosen: column('chosen'), rejected: column('rejected') });

async function textsOf(content: Uint8Array): Promise<unknown[]> {
  const path = join(folder, 'rows.arrow');
  await writeFile(path, content);
  const texts = [];
  for await (const row of (await openPreferenceSource(path)).rows()) texts.push((row as PreferenceRow).text);
  return texts;
}

async function foundIn(content: Uint8Array): Promise<string | undefined> {
  try {
    const texts = await textsOf(content);
    throw new Error(`${texts.length} rows`);
  } catch (error) {
    if (error instanceof InputError && error.code === 'arrow-unreadable') return error.details.found;
    throw error;
  }
}

describe('buffers that unpack to very much', () => {
  it.each([1 << 28, 1 << 30])('are refused: %d bytes of each', async (bytes) => {
    const bomb = zstdBomb(bytes);
    expect(bomb.length).toBeLessThan(40_000);
    expect(await foundIn(await packedStream(() => bomb))).toContain('unpacked bytes');
  });

  it('are read where they are as large as texts are', async () => {
    const content = await packedStream(repeated);
    expect(content.length).toBeLessThan(5000);
    expect(await textsOf(content)).toEqual(LONG_ROWS);
  });

  it('are refused where they are no frames', async () => {
    expect(await foundIn(await packedStream(() => Buffer.from('xxxxxxxx')))).toContain('Zstandard');
  });
});

describe('counts and offsets', () => {
  const whole = (): Buffer => Buffer.from(tableToIPC(table, 'stream'));
  /** The stream with a number put in the place of the first that is found. */
  const replaced = (before: string, after: string, skip = 0): Buffer => {
    const content = whole();
    let at = -1;
    for (let i = 0; i <= skip; i++) at = content.indexOf(Buffer.from(before, 'hex'), at + 1);
    expect(at).toBeGreaterThan(0);
    Buffer.from(after, 'hex').copy(content, at);
    return content;
  };
  const twelve = '0c00000000000000';

  it('as they are written are read', async () => {
    expect(await textsOf(whole())).toEqual(TEXT_ROWS);
  });

  it.each([
    ['2³¹ rows', 'ffffff7f00000000', 0],
    ['−1 rows', 'ffffffffffffffff', 0],
    ['a column of 2⁵³ values', '0000000000002000', 1],
    ['a column of −2⁶³ values', '0000000000000080', 2],
  ])('%s are refused', async (_, number, skip) => {
    expect(await foundIn(replaced(twelve, number, skip))).toMatch(/rows|column of|number of/);
  });

  it('that fall below nothing are refused: a text that begins 2 GiB before its column', async () => {
    const offsets = Buffer.alloc(8);
    offsets.writeInt32LE(TEXT_ROWS[0]!.prompt.length, 4);
    expect(await foundIn(replaced(offsets.toString('hex'), '00000080'))).toContain('offsets');
  });

  it('in dictionaries as well', async () => {
    const texts = ['first', 'second', 'third'];
    const named = (name: string) =>
      vectorFromArray([name, ...texts], new Dictionary(new Utf8(), new Int32()));
    const dictionaries = new Table({ prompt: named('a'), chosen: named('b'), rejected: named('c') });
    const content = Buffer.from(tableToIPC(dictionaries, 'stream'));
    expect(await textsOf(content)).toHaveLength(4);
    const offsets = Buffer.alloc(12);
    offsets.writeInt32LE(1, 4);
    offsets.writeInt32LE(6, 8);
    const at = content.indexOf(offsets);
    expect(at).toBeGreaterThan(0);
    content.writeInt32LE(-(2 ** 31), at);
    expect(await foundIn(content)).toContain('offsets');
  });
});

import { SeededRandom } from '@selective-dpo/foundation';
import { beforeAll, describe, expect, it } from 'vitest';
import { gunzipSync } from 'node:zlib';
import { parquetMetadata, snappyUncompress } from 'hyparquet';
import { decompressZstd } from 'hyparquet-compressors';
import { gzipBomb, snappyBomb, zstdBomb } from '../src/mutation/bombs.js';
import { changeBytes } from '../src/mutation/byte-mutations.js';
import { changeJson } from '../src/mutation/json-mutations.js';
import { mutated } from '../src/mutation/mutation.js';
import { PARQUET_MUTATIONS, spoilFooter } from '../src/mutation/parquet-mutations.js';
import { putTogether, takeApart } from '../src/mutation/parquet-parts.js';
import { dictionaryFile, flatFile, nestedFile } from '../src/targets/parquet-seeds.js';

const seeds = [Buffer.from('{"a": [1, {"b": "c"}], "d": null}'), Buffer.from('[1, 2, 3]')];

describe('mutations', () => {
  it('are the same for the same seed, and others for another one', () => {
    const all = (seed: number) =>
      Array.from({ length: 50 }, (_, i) =>
        mutated(seeds, [changeJson, changeBytes], new SeededRandom(seed + i)),
      );
    expect(all(7)).toEqual(all(7));
    expect(all(7)).not.toEqual(all(8));
  });

  it('leave the valid inputs as they were', () => {
    const copies = seeds.map((seed) => Buffer.from(seed));
    for (let i = 0; i < 300; i++) mutated(seeds, [changeJson, changeBytes], new SeededRandom(i));
    expect(seeds).toEqual(copies);
  });

  it('of JSON are JSON mostly, with keys that stand twice and those of prototypes among them', () => {
    const texts = Array.from({ length: 500 }, (_, i) =>
      changeJson(seeds[0]!, new SeededRandom(i), seeds).toString(),
    );
    const valid = texts.filter((text) => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    });
    expect(valid.length).toBeGreaterThan(350);
    expect(valid.length).toBeLessThan(500);
    for (const sign of ['"__proto__"', '"constructor"', 'NaN', '1e400'])
      expect(
        texts.some((text) => text.includes(sign)),
        sign,
      ).toBe(true);
  });
});

describe('Parquet files', () => {
  let files: Buffer[];
  beforeAll(async () => {
    files = [await flatFile('SNAPPY'), await nestedFile('UNCOMPRESSED'), await dictionaryFile()];
  });

  it('taken apart and put together lose nothing but copies of metadata, and nothing more the next time', () => {
    for (const file of files) {
      const once = putTogether(takeApart(file));
      expect(putTogether(takeApart(once)).equals(once)).toBe(true);
      expect(takeApart(once).chunks.map(({ pages }) => pages)).toEqual(
        takeApart(file).chunks.map(({ pages }) => pages),
      );
    }
  });

  it('keep a footer that can be read in most of the changes to it, which is not the same', () => {
    let read = 0;
    for (let i = 0; i < 100; i++) {
      const changed = spoilFooter(files[1]!, new SeededRandom(i), files);
      expect(changed.equals(files[1]!) && i === 0).toBe(false);
      try {
        parquetMetadata(
          changed.buffer.slice(changed.byteOffset, changed.byteOffset + changed.length) as ArrayBuffer,
        );
        read++;
      } catch {
        // A count of items that are not there.
      }
    }
    expect(read).toBeGreaterThan(50);
  });

  it('are changed by every mutation', () => {
    for (const mutation of PARQUET_MUTATIONS) {
      const changed = Array.from({ length: 20 }, (_, i) => mutation(files[1]!, new SeededRandom(i), files));
      expect(changed.some((one) => !one.equals(files[1]!))).toBe(true);
    }
  });
});

describe('bombs', () => {
  it('are few bytes that unpack to as many as asked for', () => {
    const bytes = 4 << 20;
    for (const bomb of [gzipBomb(bytes), zstdBomb(bytes), snappyBomb(bytes)])
      expect(bomb.length).toBeLessThan(bytes / 20);
    expect(gunzipSync(gzipBomb(bytes)).length).toBe(bytes);
    expect(decompressZstd(zstdBomb(bytes)).length).toBe(bytes);
    const output = new Uint8Array(bytes);
    snappyUncompress(snappyBomb(bytes), output);
    expect(output.every((byte) => byte === 0)).toBe(true);
  });
});

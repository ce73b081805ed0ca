/** A character tokenizer with random pairs of it in a cache, and a folder in place of the user's cache folder. */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@selective-dpo/foundation';
import {
  CACHE_SCHEMA_VERSION,
  CacheWriter,
  DROPPED_FILE,
  loadPairTokenizer,
  type CacheRow,
} from '@selective-dpo/data';
import { afterAll } from 'vitest';

const SPECIAL = ['<s>', '</s>'];
const TOKENS = [...SPECIAL, ...' abcdefghijklmnopqrstuvwxyz.:\n'];
export const VOCABULARY_SIZE = TOKENS.length;

/** A folder that goes when the tests of the file have ended; $XDG_CACHE_HOME lies in it. */
export function testFolder(): (name: string) => string {
  const root = mkdtempSync(join(tmpdir(), 'sdpo-inspector-'));
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = join(root, 'user-cache');
  afterAll(() => {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
    rmSync(root, { recursive: true, force: true });
  });
  return (name) => join(root, name);
}

/** @param tokens in place of the letters, behind the special ones. */
export async function writeTokenizer(directory: string, tokens = TOKENS): Promise<string> {
  const plain = { special: true, normalized: false, single_word: false, lstrip: false, rstrip: false };
  await mkdir(directory, { recursive: true });
  const json = (name: string, value: object) => writeFile(join(directory, name), JSON.stringify(value));
  await json('tokenizer.json', {
    version: '1.0',
    added_tokens: SPECIAL.map((content, id) => ({ id, content, ...plain })),
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: '[\\s\\S]' }, behavior: 'Isolated', invert: false },
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: {
      ...{ type: 'BPE', merges: [], unk_token: null },
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    },
  });
  await json('tokenizer_config.json', { bos_token: '<s>', eos_token: '</s>' });
  return directory;
}

/** Rows of varied lengths; row `i` is the same in every call with the same seed. */
export function pairRows(count: number, seed = 1): CacheRow[] {
  const random = new SeededRandom(seed);
  const ids = (n: number) => Int32Array.from({ length: n }, () => random.below(VOCABULARY_SIZE));
  const logps = (n: number) => Float32Array.from({ length: n }, () => -25 * random.next() ** 3);
  return Array.from({ length: count }, (_, i) => {
    const [prompt, chosen, rejected] = [40, 12, 12].map((most) => 1 + random.below(most)) as [
      number,
      number,
      number,
    ];
    return {
      ...{ pairId: `pair-${i}`, sourceRow: 2 * i },
      ...{ promptIds: ids(prompt), chosenIds: ids(chosen), rejectedIds: ids(rejected) },
      ...{ chosenRefLogps: logps(chosen), rejectedRefLogps: logps(rejected) },
    };
  });
}

export const ROWS_PER_SHARD = 40;

/** Writes a finished cache with one dropped row; returns its folder. */
export async function writeCache(
  directory: string,
  rows: readonly CacheRow[],
  tokenizerDirectory?: string,
): Promise<string> {
  const digest = 'a'.repeat(64);
  const tokenizer =
    tokenizerDirectory === undefined
      ? { tokenizer: digest, chatTemplate: 'none' }
      : (await loadPairTokenizer(tokenizerDirectory)).fingerprint();
  const writer = await CacheWriter.open(directory, {
    ...{ schemaVersion: CACHE_SCHEMA_VERSION, toolVersion: '0.0.0', rowsPerShard: ROWS_PER_SHARD },
    dataset: { sha256: digest, bytes: 10, layout: 'preference', limit: null },
    tokenizer: { chatTemplateNow: null, chatTemplateGiven: false, ...tokenizer },
    limits: { maxLength: 64, maxPromptLength: null, truncation: 'keep_start' },
    model: { weightsSha256: digest, configSha256: digest },
    scorer: { kind: 'local' },
  });
  try {
    for (let at = 0; at < rows.length; at += ROWS_PER_SHARD) {
      await writer.publishShard(rows.slice(at, at + ROWS_PER_SHARD));
    }
    await writeFile(join(directory, DROPPED_FILE), '{"row":1,"reason":"unreadable","detail":"x"}\n');
    await writer.finish({ unreadable: 1 });
  } finally {
    await writer.close();
  }
  return directory;
}

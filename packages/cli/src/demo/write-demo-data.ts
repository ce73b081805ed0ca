/** Writes the demo's tokenizer and preference files: the same bytes on every machine. */
import { join } from 'node:path';
import { makeFolder, publishBytes, publishFile } from '@selective-dpo/foundation';
import { preferenceRows, type DemoPreferenceRow } from './rows.js';
import { demoTokenizerFiles } from './tokenizer-files.js';

export const DEMO_TRAIN_FILE = 'preferences.jsonl';
export const DEMO_HELD_OUT_FILE = 'preferences-held-out.jsonl';

/** How much data the demo has. */
export const DEMO_TRAIN_ROWS = 1000;
export const DEMO_HELD_OUT_ROWS = 200;
export const DEMO_SEED = 7725;

/**
 * Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json.
 * @throws InputError `disk-full`, `no-permission`, …
 */
export async function writeDemoTokenizer(directory: string): Promise<void> {
  await makeFolder(directory);
  for (const [name, value] of Object.entries(demoTokenizerFiles())) {
    await publishBytes(join(directory, name), `${JSON.stringify(value, null, 1)}\n`);
  }
}

/**
 * Writes `preferences.jsonl` and `preferences-held-out.jsonl`, a row a line.
 * @throws InputError `disk-full`, `no-permission`, …
 */
export async function writeDemoPreferences(directory: string): Promise<void> {
  await makeFolder(directory);
  await writeRows(
    join(directory, DEMO_TRAIN_FILE),
    preferenceRows({ seed: DEMO_SEED, count: DEMO_TRAIN_ROWS, split: 'train' }),
  );
  await writeRows(
    join(directory, DEMO_HELD_OUT_FILE),
    preferenceRows({ seed: DEMO_SEED, count: DEMO_HELD_OUT_ROWS, split: 'held-out' }),
  );
}

async function writeRows(path: string, rows: Iterable<DemoPreferenceRow>): Promise<void> {
  await publishFile(path, async (handle) => {
    for (const row of rows) await handle.appendFile(`${JSON.stringify(row)}\n`);
  });
}

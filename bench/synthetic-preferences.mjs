/** A preference file of random words, and a scorer that needs no model, for the benches beside it. */
import { createWriteStream, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { SeededRandom } from '@selective-dpo/foundation';

const demo = (name) => fileURLToPath(new URL(`../packages/cli/demo/${name}`, import.meta.url));
/** A directory with the tokenizer that knows the words. */
export const TOKENIZER_DIRECTORY = demo('policy');

const [PROMPT_WORDS, RESPONSE_WORDS] = [120, 64];

export async function writeSyntheticPreferences(file, rows) {
  const words = readFileSync(demo('preferences/preferences.jsonl'), 'utf8')
    .match(/[a-z]{2,}/gi)
    .slice(0, 4096);
  const random = new SeededRandom(rows);
  const text = (count) => Array.from({ length: count }, () => words[random.below(words.length)]).join(' ');
  const out = createWriteStream(file);
  for (let i = 0; i < rows; i++) {
    const row = { prompt: text(PROMPT_WORDS), chosen: text(RESPONSE_WORDS), rejected: text(RESPONSE_WORDS) };
    if (!out.write(`${JSON.stringify(row)}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

/** Every token has the same log-prob. */
export const constantScorer = {
  identity: { kind: 'constant' },
  async score(pairs, onScored) {
    onScored(pairs.length, 0);
    return pairs.map(({ chosenIds, rejectedIds }) => ({
      chosen: new Float32Array(chosenIds.length).fill(-1),
      rejected: new Float32Array(rejectedIds.length).fill(-1),
    }));
  },
  dispose() {},
};

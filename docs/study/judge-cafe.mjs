/**
 * Lets every finished run of the café's sweeps answer orders, and judges the answers by the demo's program.
 *
 *   node docs/study/judge-cafe.mjs --out DIR
 *
 * Writes answers.csv into the folder of each sweep: the share of answers without a fault to 200 orders to choose settings by
 * (`tuning`) and to the 200 held-out orders that the repository carries (`held_out`). Runs that are judged already are left alone.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadPairTokenizer } from '../../packages/data/dist/index.js';
import { CausalLM, openEngine } from '../../packages/model/dist/index.js';
import {
  answerPrompts,
  DEMO_FILES,
  judgeAnswers,
  preferenceRows,
  readHeldOut,
} from '../../packages/cli/dist/demo/index.js';
import { readTable } from './tables.mjs';

const ORDERS = 200;
/** The demo's seed of answers, and one of orders that nothing else is made from. */
const [ANSWER_SEED, TUNING_SEED] = [5, 2718];
const HEADER = 'key,tuning,held_out';

const { values } = parseArgs({ options: { out: { type: 'string' } } });
if (!values.out) {
  console.log('node docs/study/judge-cafe.mjs --out DIR');
  process.exit(2);
}
await openEngine('auto');
const tokenizer = await loadPairTokenizer(DEMO_FILES.policy);
const heldOut = (await readHeldOut(DEMO_FILES.heldOutPairs, tokenizer, ORDERS)).map(({ prompt }) => prompt);
const tuning = [...preferenceRows({ seed: TUNING_SEED, count: ORDERS, split: 'held-out' })].map(
  ({ prompt }) => prompt[0].content,
);
const cafe = join(values.out, 'cafe');
for (const sweep of readdirSync(cafe).filter((name) => existsSync(join(cafe, name, 'results.csv')))) {
  await judgeSweep(join(cafe, sweep));
}
console.log(`before training: ${JSON.stringify(await flawless(DEMO_FILES.policy))}`);
console.log(`the larger reference: ${JSON.stringify(await flawless(DEMO_FILES.reference))}`);

async function judgeSweep(folder) {
  const file = join(folder, 'answers.csv');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').slice(1) : [];
  const judged = new Set(lines.map((line) => line.split(',')[0]));
  const folders = readdirSync(join(folder, 'runs'));
  for (const { key, name, status } of readTable(join(folder, 'results.csv'))) {
    if (status !== 'finished' || judged.has(key)) continue;
    const run = folders.find((candidate) => candidate.endsWith(`-${key}`));
    const shares = await flawless(join(folder, 'runs', run, 'final'));
    lines.push([key, shares.tuning, shares.heldOut].join(','));
    writeFileSync(file, `${[HEADER, ...lines].join('\n')}\n`);
    console.log(`${name}: ${JSON.stringify(shares)}`);
  }
}

async function flawless(directory) {
  const model = await CausalLM.load(directory);
  try {
    const answers = await answerPrompts(model, tokenizer, [...tuning, ...heldOut], { seed: ANSWER_SEED });
    return {
      tuning: judgeAnswers(tuning, answers.slice(0, ORDERS)).flawless,
      heldOut: judgeAnswers(heldOut, answers.slice(ORDERS)).flawless,
    };
  } finally {
    model.dispose();
  }
}

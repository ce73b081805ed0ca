/**
 * How stage one's speed depends on the tokens computed at one time: the reason of the default.
 *
 *   npm run build
 *   node bench/batch-tokens.mjs --model DIR --data FILE [--rows 64] [--rounds 3] [--max-length 512]
 *        [--budgets 512,1024,2048,4096,8192] [--engine tensorflow]
 *
 * The same pairs with every budget in turn, in one process, after a round that is not counted. Prints medians with smallest
 * and largest, of the wall clock and of the processor, and the ratio of the first to those of the largest budget.
 */
import { parseArgs } from 'node:util';
import { performance } from 'node:perf_hooks';
import { isDroppedRow, loadPairTokenizer, openPreferenceSource, tokenizePairs } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';
import { LocalScorer } from '@selective-dpo/ref-scorer';
import { ratios, spread, tableRow } from './spread.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    rows: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '3' },
    'max-length': { type: 'string', default: '512' },
    budgets: { type: 'string', default: '512,1024,2048,4096,8192' },
    engine: { type: 'string', default: 'tensorflow' },
  },
});
if (!values.model || !values.data) {
  console.log('node bench/batch-tokens.mjs --model DIR --data FILE …, see the head of the file');
  process.exit(2);
}
const source = await openPreferenceSource(values.data);
const tokenizer = await loadPairTokenizer(values.model);
const pairs = [];
for await (const pair of tokenizePairs(source, tokenizer, { maxLength: Number(values['max-length']) })) {
  if (!isDroppedRow(pair)) pairs.push(pair);
  if (pairs.length === Number(values.rows)) break;
}
const engine = await openEngine(values.engine, { precision: 'fp32' });
const model = await CausalLM.load(values.model);
const budgets = values.budgets.split(',').map(Number);
const [wall, cpu] = [budgets.map(() => []), budgets.map(() => [])];
for (let round = 0; round <= Number(values.rounds); round++) {
  for (const [i, budget] of budgets.entries()) {
    const [began, before] = [performance.now(), process.cpuUsage()];
    await new LocalScorer(model, engine, budget).score(pairs, () => undefined);
    const { user, system } = process.cpuUsage(before);
    if (round === 0) continue;
    wall[i].push((performance.now() - began) / 1000);
    cpu[i].push((user + system) / 1e6);
  }
}
model.dispose();
console.log(tableRow('batch tokens', 'seconds', 'processor seconds', 'beside the largest'));
console.log(tableRow(...Array(4).fill('---')));
for (const [i, budget] of budgets.entries()) {
  const beside = `${spread(ratios(wall[i], wall.at(-1)))} ×`;
  console.log(tableRow(budget, spread(wall[i]), spread(cpu[i]), beside));
}

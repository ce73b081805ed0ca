/**
 * How far two caches of one dataset are apart, e.g. one scored on this machine and one by a server, and how many tokens another
 * policy would keep in both: node bench/served-selection.mjs --cache ONE --cache OTHER --policy DIR [--keep 0.4]
 */
import { parseArgs } from 'node:util';
import { CacheReader } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';
import { selectTokens } from '@selective-dpo/trainer';

const { values } = parseArgs({
  options: {
    cache: { type: 'string', multiple: true },
    policy: { type: 'string' },
    keep: { type: 'string', default: '0.4' },
  },
});
const options = { rule: 'quantile', keep: Number(values.keep), spanUnit: 'window', spanWindow: 3 };

await openEngine('auto');
const policy = await CausalLM.load(values.policy);
const [one, other] = await Promise.all(values.cache.map((directory) => CacheReader.open(directory)));
const figures = { pairs: 0, tokens: 0, keptAlike: 0, greatestDifference: 0 };
for (let i = 0; i < one.manifest.rows; i++) {
  const rows = [await one.row(i), await other.row(i)];
  if (rows[0].pairId !== rows[1].pairId) throw new Error(`row ${i}: the caches are of other pairs`);
  const { promptIds, chosenIds, rejectedIds } = rows[0];
  const [[policyChosen, policyRejected]] = await policy.logps([
    { prompt: promptIds, responses: [chosenIds, rejectedIds] },
  ]);
  const [a, b] = rows.map(({ chosenRefLogps: refChosen, rejectedRefLogps: refRejected }) => {
    const logps = { policyChosen, policyRejected, refChosen, refRejected };
    return selectTokens([{ logps, chosenIds, rejectedIds, seed: 0 }], options)[0];
  });
  for (const side of ['chosen', 'rejected']) {
    const lists = rows.map((row) => row[`${side}RefLogps`]);
    lists[0].forEach((logp, t) => {
      figures.tokens++;
      figures.keptAlike += a[side][t] === b[side][t] ? 1 : 0;
      figures.greatestDifference = Math.max(figures.greatestDifference, Math.abs(logp - lists[1][t]));
    });
  }
  figures.pairs++;
}
await Promise.all([one.close(), other.close()]);
console.log(JSON.stringify({ ...figures, keptAlike: figures.keptAlike / figures.tokens }));

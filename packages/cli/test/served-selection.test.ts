/** Whether a policy keeps the same tokens on a reference that a server ran as on the same reference run here. */
import { join } from 'node:path';
import { CacheReader, type CacheRow } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';
import { scoreDataset } from '@selective-dpo/ref-scorer';
import { selectTokens, type PairSelection } from '@selective-dpo/trainer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScoringServer } from '../../ref-scorer/test/scoring-server.js';
import { rowsOf, serve, servedOptions } from '../../ref-scorer/test/served-reference.js';
import { freshFolder, sampleRows, writeReference, writeRows } from '../../ref-scorer/test/small-reference.js';

const KEEP = 0.4;
const PAIRS = 120;
let reference: string;
let dataFile: string;
let policy: CausalLM;
let local: CacheRow[];
const servers: ScoringServer[] = [];

async function localRows(modelDirectory: string): Promise<CacheRow[]> {
  const outDirectory = join(await freshFolder(), 'cache');
  await scoreDataset({ modelDirectory, dataFile, outDirectory, engine: 'wasm' });
  return rowsOf(outDirectory);
}

beforeAll(async () => {
  await openEngine('wasm');
  reference = await writeReference();
  dataFile = await writeRows(sampleRows(PAIRS));
  policy = await CausalLM.load(await writeReference({ seed: 9 }));
  local = await localRows(reference);
});
afterAll(async () => {
  policy.dispose();
  for (const server of servers) await server.close();
});

async function selectionsOf(rows: readonly CacheRow[]): Promise<PairSelection[]> {
  const options = { rule: 'quantile', keep: KEEP, spanUnit: 'window', spanWindow: 3 } as const;
  const found: PairSelection[] = [];
  for (const { promptIds, chosenIds, rejectedIds, chosenRefLogps, rejectedRefLogps } of rows) {
    const [own] = await policy.logps([{ prompt: promptIds, responses: [chosenIds, rejectedIds] }]);
    const [policyChosen, policyRejected] = own as [Float32Array, Float32Array];
    const logps = { policyChosen, policyRejected, refChosen: chosenRefLogps, refRejected: rejectedRefLogps };
    found.push(selectTokens([{ logps, chosenIds, rejectedIds, seed: 0 }], options)[0]!);
  }
  return found;
}

/** Share of response tokens that both keep or both leave. */
async function shareAlike(one: readonly CacheRow[], other: readonly CacheRow[]): Promise<number> {
  const [a, b] = [await selectionsOf(one), await selectionsOf(other)];
  let [alike, tokens] = [0, 0];
  a.forEach((selection, i) => {
    for (const side of ['chosen', 'rejected'] as const) {
      selection[side].forEach((kept, t) => {
        tokens++;
        if (kept === b[i]![side][t]) alike++;
      });
    }
  });
  expect(tokens).toBeGreaterThan(1000);
  return alike / tokens;
}

describe.each(['vllm', 'sglang'] as const)('on %s', (kind) => {
  it('a policy keeps at least 99.9% of the tokens that it keeps here', async () => {
    const server = await serve(reference, { kind });
    servers.push(server);
    const wanted = await servedOptions(reference, dataFile, [server]);
    await scoreDataset(wanted);
    const reader = await CacheReader.open(wanted.outDirectory);
    expect(reader.manifest.inputs.scorer).toMatchObject({ kind });
    await reader.close();
    expect(await shareAlike(local, await rowsOf(wanted.outDirectory))).toBeGreaterThanOrEqual(0.999);
  });
});

it('another reference keeps other ones (control)', async () => {
  expect(await shareAlike(local, await localRows(await writeReference({ seed: 5 })))).toBeLessThan(0.95);
});

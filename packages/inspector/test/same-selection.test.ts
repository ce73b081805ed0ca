/** The page, the terminal and the trainer keep the same tokens. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '@selective-dpo/foundation';
import { CacheReader } from '@selective-dpo/data';
import { CausalLM, openEngine } from '@selective-dpo/model';
import {
  SELECTION_RULES,
  evaluatedBatches,
  objectiveOfStep,
  openPolicy,
  type SelectionRule,
  type TrainingConfig,
} from '@selective-dpo/trainer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settings, writeRunInputs, type RunInputs } from '../../trainer/test/small-run.js';
import { PairInspector } from '../src/index.js';
import { EmbeddedFiles } from '../web/files/site-files.js';
import { DirectSiteData } from '../web/data/site-data.js';
import { policyLogps } from '../web/data/policy-table.js';
import { DEFAULT_SETTINGS, reselect } from '../web/selection/reselect.js';
import { openRunSite } from '../src/index.js';
import { contentOf } from '../src/site/site-files.js';
import { runWith } from '../../trainer/test/small-run.js';

const PAIRS = 1000;
const SEED = 5;
const RULES: [SelectionRule, Partial<TrainingConfig>][] = [
  ...SELECTION_RULES.filter((rule) => rule !== 'span').map(
    (rule): [SelectionRule, Partial<TrainingConfig>] => [rule, {}],
  ),
  ['span', { spanUnit: 'window', spanWindow: 3 }],
  ['span', { spanUnit: 'sentence' }],
];

let inputs: RunInputs;
let cache: CacheReader;
let page: DirectSiteData;
let sentenceEnds: ReadonlySet<number>;
let cacheHome: string;

beforeAll(async () => {
  cacheHome = await mkdtemp(join(tmpdir(), 'sdpo-inspector-'));
  process.env['XDG_CACHE_HOME'] = cacheHome;
  inputs = await writeRunInputs(PAIRS);
  cache = await CacheReader.open(inputs.cacheDirectory);
  const { folder } = await runWith(inputs, { config: { maxSteps: 1, seed: SEED } });
  const { files, description } = await openRunSite(folder, {
    ...{
      cacheDirectory: inputs.cacheDirectory,
      policyDirectory: inputs.policyDirectory,
      sample: PAIRS,
      engine: 'wasm',
    },
  });
  const embedded: Record<string, string> = {};
  for (const [path, file] of files) embedded[path] = Buffer.from(await contentOf(file)).toString('base64');
  page = new DirectSiteData(new EmbeddedFiles(embedded), description.cache!);
  const vocabulary = JSON.parse(Buffer.from(embedded['data/vocabulary.json']!, 'base64').toString()) as {
    sentenceEnds: number[];
  };
  sentenceEnds = new Set(vocabulary.sentenceEnds);
}, 120_000);
afterAll(async () => {
  await cache.close();
  delete process.env['XDG_CACHE_HOME'];
  await rm(cacheHome, { recursive: true });
});

describe(`${PAIRS} random pairs`, () => {
  it.each(RULES)(
    'are cut alike by %s %j',
    async (selection, change) => {
      const random = new SeededRandom(
        RULES.findIndex(([rule, other]) => rule === selection && other === change),
      );
      const table = await page.policy('data/policies/initial.parquet');
      expect(table.pairIndex).toHaveLength(PAIRS);
      const { model, endsSentence } = await openTrainer();
      const inspector = await PairInspector.open(cache, settings(), inputs.policyDirectory);
      let [kept, differs] = [0, 0];
      for (let index = 0; index < PAIRS; index++) {
        const config = settings({ ...change, selection, keep: (1 + random.below(100)) / 100, seed: SEED });
        const trained = await trainerMasks(model, index, config, endsSentence);
        const { tokens } = await inspector.tokens(index, config);
        const content = await page.pair(index);
        const policy = policyLogps(table, index)!;
        const { keep, spanUnit, spanWindow } = config;
        const shown = { ...DEFAULT_SETTINGS, rule: selection, keep, spanUnit, spanWindow, seed: SEED };
        const ofPage = reselect(content, policy, shown, (id) => sentenceEnds.has(id))!;
        expect(tokens.chosen.map((token) => Number(token.kept))).toEqual(trained.chosen);
        expect(tokens.rejected.map((token) => Number(token.kept))).toEqual(trained.rejected);
        expect([...ofPage.chosen]).toEqual(trained.chosen);
        expect([...ofPage.rejected]).toEqual(trained.rejected);
        kept += trained.chosen.reduce((a, b) => a + b, 0);
        // Negative control: another share would be seen.
        const other = reselect(content, policy, { ...shown, keep: keep > 0.5 ? 0.1 : 1 }, (id) =>
          sentenceEnds.has(id),
        )!;
        if (other.chosen.join('') !== trained.chosen.join('')) differs++;
      }
      expect(kept).toBeGreaterThan(PAIRS);
      if (selection !== 'all') expect(differs).toBeGreaterThan(PAIRS / 10);
      inspector.dispose();
      model.dispose();
    },
    120_000,
  );
});

async function openTrainer() {
  const policy = await openPolicy(inputs.policyDirectory, cache, inputs.cacheDirectory);
  await openEngine('wasm');
  return {
    model: await CausalLM.load(inputs.policyDirectory),
    endsSentence: (id: number) => policy.endsSentence(id),
  };
}

/** As a run's first step selects, for a pair by itself. */
async function trainerMasks(
  model: CausalLM,
  index: number,
  config: TrainingConfig,
  endsSentence: (id: number) => boolean,
): Promise<{ chosen: number[]; rejected: number[] }> {
  const micro = { pairs: 1, tokens: config.microBatchTokens, activations: config.activations };
  const objective = objectiveOfStep(config, endsSentence, 1);
  for await (const { outcomes } of evaluatedBatches(model, cache, Uint32Array.of(index), objective, micro)) {
    const { chosen, rejected } = outcomes[0]!.selection;
    return { chosen: [...chosen], rejected: [...rejected] };
  }
  throw new Error('no outcome');
}

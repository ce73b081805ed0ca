import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CacheReader } from '@selective-dpo/data';
import { CausalLM, installedEngine, openEngine } from '@selective-dpo/model';
import { beforeAll, describe, expect, it } from 'vitest';
import { freshFolder, sdpo, shared } from './run-sdpo.js';

interface TrlOracle {
  pairs: { prompt: number[]; chosen: number[]; rejected: number[] }[];
  steps: { loss: number; grad_norm: number }[];
}
interface SelectiveOracle {
  keep: Record<string, { loss: number; kept: number[] }[]>;
}

const python = process.env['SELECTIVE_DPO_PYTHON'] ?? 'python3';
const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',');
const engines = [
  'wasm',
  ...(required.includes('tensorflow') || installedEngine() !== undefined ? ['tensorflow'] : []),
];

const json = async <T>(path: string) => JSON.parse(await readFile(`${shared}/${path}`, 'utf8')) as T;

async function losses(run: string): Promise<{ loss: number; kept: number }[]> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return lines
    .map((line) => JSON.parse(line) as Record<string, number | string>)
    .filter((line) => line['split'] === 'train')
    .map((line) => ({ loss: Number(line['loss']), kept: Number(line['selection/tokens']) }));
}

describe.skipIf(shared === undefined).each(engines)(
  'the command line against the oracles, on %s',
  (engine) => {
    const policy = `${shared}/models/stories260K`;
    const data = `${shared}/preferences/rasbt/instruction-data-with-preference.json`;
    const settings = [
      'batchSize=4',
      'learningRate=5e-4',
      'lrSchedule=constant',
      'shuffle=false',
      `engine=${engine}`,
    ];
    let own: string;
    let aligned: string;

    beforeAll(async () => {
      const folder = await freshFolder();
      [own, aligned] = [join(folder, 'own'), join(folder, 'aligned')];
      for (const [model, out] of [
        [policy, own],
        [`${policy}-dpo`, aligned],
      ] as const) {
        const args = ['--model', model, '--data', data, '--out', out, '--limit', '48', '--max-length', '512'];
        expect((await sdpo(['score', ...args, '--engine', engine])).code).toBe(0);
      }
    });

    async function train(cache: string, ...more: string[]): Promise<{ loss: number; kept: number }[]> {
      const out = join(await freshFolder(), 'run');
      const outcome = await sdpo([
        'train',
        '--policy',
        policy,
        '--cache',
        cache,
        '--out',
        out,
        ...settings,
        ...more,
      ]);
      expect(outcome.code, outcome.stderr).toBe(0);
      return losses(out);
    }

    it("caches TRL's token ids of all 48 pairs", async () => {
      const { pairs } = await json<TrlOracle>('oracles/trl-dpo.json');
      const reader = await CacheReader.open(own);
      const rows = [];
      for await (const row of reader.rows()) {
        rows.push({ prompt: [...row.promptIds], chosen: [...row.chosenIds], rejected: [...row.rejectedIds] });
      }
      await reader.close();
      expect(rows).toEqual(pairs);
    });

    it("trains to TRL's 12 losses within 1e-3", async () => {
      const { steps } = await json<TrlOracle>('oracles/trl-dpo.json');
      const trace = await train(own, 'keep=1', 'maxSteps=12');
      steps.forEach(({ loss }, i) => expect(Math.abs(trace[i]!.loss - loss), `step ${i}`).toBeLessThan(1e-3));
    });

    it.each([1.0, 0.4])(
      'trains to the 8 losses of Selective-DPO at keep %f within 1e-3, with its kept counts',
      async (keep) => {
        const steps = (await json<SelectiveOracle>('oracles/selective-dpo.json')).keep[keep.toFixed(1)]!;
        const trace = await train(aligned, `keep=${keep}`, 'maxSteps=8');
        steps.forEach(({ loss, kept }, i) => {
          expect(Math.abs(trace[i]!.loss / loss - 1), `step ${i}`).toBeLessThan(1e-3);
          expect(trace[i]!.kept, `step ${i}`).toBe(kept.reduce((a, b) => a + b, 0));
        });
      },
    );

    it('batch 4 × accumulation 2 equals batch 8', async () => {
      const [one, two] = [
        await train(aligned, 'keep=0.4', 'maxSteps=4', 'batchSize=8'),
        await train(aligned, 'keep=0.4', 'maxSteps=4', 'gradientAccumulationSteps=2'),
      ];
      one.forEach((step, i) => {
        expect(Math.abs(step.loss - two[i]!.loss)).toBeLessThan(5e-4);
        expect(step.kept).toBe(two[i]!.kept);
      });
    });

    it('exports a model with the same log-probs in transformers (needs transformers)', async (context) => {
      try {
        execFileSync(python, ['-c', 'import torch, transformers'], { stdio: 'ignore' });
      } catch {
        context.skip(`${python} has no torch and transformers`);
      }
      const out = join(await freshFolder(), 'run');
      await sdpo(['train', '--policy', policy, '--cache', aligned, '--out', out, ...settings, 'maxSteps=4']);
      const { pairs } = await json<TrlOracle>('oracles/trl-dpo.json');
      const script = join(await freshFolder(), 'logps.py');
      await writeFile(
        script,
        'import json, sys, torch\n' +
          'from transformers import AutoModelForCausalLM, AutoTokenizer\n' +
          'AutoTokenizer.from_pretrained(sys.argv[1])\n' +
          'model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)\n' +
          'ids = torch.tensor([json.loads(sys.argv[2])])\n' +
          'with torch.no_grad(): out = torch.log_softmax(model(ids).logits[0].double(), -1)\n' +
          'print(json.dumps(out[:-1].gather(1, ids[0, 1:, None])[:, 0].tolist()))\n',
      );
      const ids = [...pairs[0]!.prompt, ...pairs[0]!.chosen];
      const expected = JSON.parse(
        execFileSync(python, [script, join(out, 'final'), JSON.stringify(ids)], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        }),
      ) as number[];
      await openEngine('wasm');
      const model = await CausalLM.load(join(out, 'final'));
      const [logps] = await model.logps([
        { prompt: Int32Array.of(ids[0]!), responses: [Int32Array.from(ids.slice(1))] },
      ]);
      expected.forEach((value, t) => expect(Math.abs(value - logps![0]![t]!)).toBeLessThan(1e-4));
      // Negative control: the model before training has other log-probs.
      const before = await CausalLM.load(policy);
      const [other] = await before.logps([
        { prompt: Int32Array.of(ids[0]!), responses: [Int32Array.from(ids.slice(1))] },
      ]);
      expect(Math.max(...expected.map((value, t) => Math.abs(value - other![0]![t]!)))).toBeGreaterThan(1e-3);
    });
  },
);

import { beforeAll, describe, expect, it } from 'vitest';
import {
  ADAMW_DEFAULTS,
  AdamW,
  CausalLM,
  clipFactor,
  globalNorm,
  openEngine,
  type Engine,
} from '@selective-dpo/model';
import { preferenceLoss, type LossOptions } from '../src/loss/preference-loss.js';
import { batchMetrics } from '../src/step/batch-metrics.js';
import {
  selectiveStep,
  type CachedPair,
  type MicroBatching,
  type Objective,
} from '../src/step/selective-step.js';
import { enginesToTest } from './engines-to-test.js';
import { shared, sharedJson } from './shared-data.js';

interface TrlOracle {
  pairs: { prompt: number[]; chosen: number[]; rejected: number[] }[];
  steps: { loss: number; grad_norm: number }[];
}
interface SelectiveOracle {
  keep: Record<string, { loss: number; grad_norm: number; kept: number[]; margins: number[] }[]>;
}

const BATCH = 4;
const micro: MicroBatching = { pairs: BATCH, tokens: 4096, activations: 'keep' };

function objective(keep: number): Objective {
  return {
    selection: { rule: 'quantile', keep, spanUnit: 'window', spanWindow: 5 },
    loss: { type: 'sigmoid', beta: 0.1, labelSmoothing: 0, rpoAlpha: 0, lengthNormalization: false },
    endsSentence: () => false,
    seed: 0,
  };
}

/** The oracle's pairs with the log-probs of a reference, as the cache would hold them. */
async function scoredPairs(reference: string): Promise<CachedPair[]> {
  const { pairs } = sharedJson<TrlOracle>('oracles/trl-dpo.json');
  const model = await CausalLM.load(`${shared}/models/${reference}`);
  const sequences = pairs.map((pair) => ({
    prompt: Int32Array.from(pair.prompt),
    responses: [Int32Array.from(pair.chosen), Int32Array.from(pair.rejected)],
  }));
  const logps = await model.logps(sequences);
  model.dispose();
  return sequences.map(({ prompt, responses }, index) => ({
    index,
    row: {
      pairId: String(index),
      sourceRow: index,
      promptIds: prompt,
      chosenIds: responses[0]!,
      rejectedIds: responses[1]!,
      chosenRefLogps: logps[index]![0]!,
      rejectedRefLogps: logps[index]![1]!,
    },
  }));
}

describe.skipIf(shared === undefined).each(enginesToTest('tensorflow', 'wasm'))('training on %s', (name) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine(name);
  });

  /** Trains `steps` batches in order; one record a step. */
  async function run(pairs: CachedPair[], keep: number, steps: number, how = micro) {
    const model = await CausalLM.load(`${shared}/models/stories260K`);
    const optimizer = new AdamW(model.parameters, ADAMW_DEFAULTS, engine.fusedAdamW);
    const trace = [];
    const tensors = engine.tf.memory().numTensors;
    for (let step = 0; step < steps; step++) {
      const batch = pairs.slice(step * BATCH, (step + 1) * BATCH);
      const { outcomes, gradients } = await selectiveStep(model, batch, objective(keep), how);
      const gradNorm = await globalNorm(gradients);
      optimizer.step(gradients, 5e-4, clipFactor(gradNorm, 1));
      expect(engine.tf.memory().numTensors).toBe(tensors);
      const count = (mask: Uint8Array) => mask.reduce((a, b) => a + b, 0);
      trace.push({
        loss: batchMetrics(outcomes, 0.1)['loss']!,
        gradNorm,
        kept: outcomes.flatMap(({ selection }) => [count(selection.chosen), count(selection.rejected)]),
        margins: outcomes.map(
          ({ input, selection }) =>
            preferenceLoss(input.logps, selection, objective(keep).loss as LossOptions).margin,
        ),
      });
    }
    optimizer.dispose();
    model.dispose();
    return trace;
  }

  it('gives the 12 losses of TRL within 1e-3, and its gradient norms', async () => {
    const { steps } = sharedJson<TrlOracle>('oracles/trl-dpo.json');
    const trace = await run(await scoredPairs('stories260K'), 1, steps.length);
    expect(trace[0]!.loss).toBeCloseTo(Math.LN2, 6);
    steps.forEach((expected, i) => {
      expect(Math.abs(trace[i]!.loss - expected.loss), `step ${i}`).toBeLessThan(1e-3);
      expect(Math.abs(trace[i]!.gradNorm / expected.grad_norm - 1), `step ${i}`).toBeLessThan(5e-3);
    });
  });

  it.each([1.0, 0.4])(
    'gives the 8 losses, margins and kept counts of Selective-DPO at keep %f',
    async (keep) => {
      const steps = sharedJson<SelectiveOracle>('oracles/selective-dpo.json').keep[keep.toFixed(1)]!;
      const trace = await run(await scoredPairs('stories260K-dpo'), keep, steps.length);
      steps.forEach((expected, i) => {
        expect(Math.abs(trace[i]!.loss / expected.loss - 1), `step ${i}`).toBeLessThan(1e-3);
        expect(trace[i]!.kept, `step ${i}`).toEqual(expected.kept);
        expect(Math.abs(trace[i]!.gradNorm / expected.grad_norm - 1), `step ${i}`).toBeLessThan(5e-3);
      });
      // Negative control: another share of tokens gives another first loss.
      const [other] = await run(await scoredPairs('stories260K-dpo'), keep === 1 ? 0.4 : 1, 1);
      expect(Math.abs(other!.loss / steps[0]!.loss - 1)).toBeGreaterThan(0.1);
    },
  );

  it('does not depend on how a batch is cut, nor on recomputation', async () => {
    const pairs = await scoredPairs('stories260K-dpo');
    const whole = await run(pairs, 0.4, 3);
    for (const how of [
      { pairs: 2, tokens: 4096, activations: 'keep' },
      { pairs: 4, tokens: 1, activations: 'recompute' },
    ] as const) {
      const cut = await run(pairs, 0.4, 3, how);
      cut.forEach((step, i) => {
        expect(Math.abs(step.loss - whole[i]!.loss)).toBeLessThan(2e-4);
        expect(step.kept).toEqual(whole[i]!.kept);
      });
    }
  });
});

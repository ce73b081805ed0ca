import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { CausalLM, type SharedPromptSequence } from '../../src/causal-lm/index.js';
import { openEngine } from '../../src/engine/index.js';
import { generate } from '../../src/generation/index.js';
import { enginesToTest } from '../engines-to-test.js';
import { shared, sharedJson } from '../shared-data.js';

interface Oracle {
  sequences: { input_ids: number[]; token_logprobs: number[] }[];
  greedy_from_bos?: { ids: number[] };
  hh_rlhf_pairs?: {
    pairs: {
      prompt_ids: number[];
      chosen_ids: number[];
      rejected_ids: number[];
      chosen_token_logprobs: number[];
      rejected_token_logprobs: number[];
    }[];
  };
}

const ids = (list: number[]) => Int32Array.from(list);

/** Sentences as one-token prompts, pairs as they are, with the log-probs the oracle gives. */
function cases(oracle: Oracle): { sequence: SharedPromptSequence; expected: number[][] }[] {
  return [
    ...oracle.sequences.map((s) => ({
      sequence: { prompt: ids(s.input_ids.slice(0, 1)), responses: [ids(s.input_ids.slice(1))] },
      expected: [s.token_logprobs],
    })),
    ...(oracle.hh_rlhf_pairs?.pairs ?? []).map((p) => ({
      sequence: { prompt: ids(p.prompt_ids), responses: [ids(p.chosen_ids), ids(p.rejected_ids)] },
      expected: [p.chosen_token_logprobs, p.rejected_token_logprobs],
    })),
  ];
}

async function largestError(model: CausalLM, oracle: Oracle): Promise<{ error: number; tokens: number }> {
  const all = cases(oracle);
  const logps = await model.logps(all.map((c) => c.sequence));
  let error = 0;
  let tokens = 0;
  all.forEach(({ expected }, i) =>
    expected.forEach((list, r) =>
      list.forEach((value, t) => {
        error = Math.max(error, Math.abs(value - logps[i]![r]![t]!));
        tokens++;
      }),
    ),
  );
  return { error, tokens };
}

describe.skipIf(shared === undefined).each(enginesToTest('tensorflow', 'wasm'))(
  'stories260K on %s',
  (engine) => {
    beforeAll(() => openEngine(engine));

    it.each([
      ['stories260K', 31],
      ['stories260K-sharded', 31],
      ['stories260K-f16', 31],
    ])('%s: log-probs of the oracle within 1e-4', async (name, fewest) => {
      const model = await CausalLM.load(`${shared}/models/${name}`);
      const before = tf.memory().numTensors;
      const { error, tokens } = await largestError(model, sharedJson<Oracle>(`models/${name}/oracle.json`));
      expect(tf.memory().numTensors).toBe(before);
      expect(tokens).toBeGreaterThan(fewest);
      expect(error).toBeLessThan(1e-4);
      model.dispose();
    });

    it("the oracle's greedy text from BOS, 200 tokens", async () => {
      const model = await CausalLM.load(`${shared}/models/stories260K`);
      const expected = sharedJson<Oracle>('models/stories260K/oracle.json').greedy_from_bos!.ids;
      const [text] = await generate(model, [ids(expected.slice(0, 1))], { maxNewTokens: 200, stopIds: [] });
      expect([...text!]).toEqual(expected.slice(1));
      model.dispose();
    });

    it('is off by more than 1e-4 when one layer norm is changed: the check can fail', async () => {
      const model = await CausalLM.load(`${shared}/models/stories260K`);
      const norm = model.parameters.get('layers.0.inputNorm');
      model.parameters.assign(
        'layers.0.inputNorm',
        tf.tidy(() => tf.mul(norm, 1.001)),
      );
      const { error } = await largestError(model, sharedJson<Oracle>('models/stories260K/oracle.json'));
      expect(error).toBeGreaterThan(1e-4);
      model.dispose();
    });
  },
);

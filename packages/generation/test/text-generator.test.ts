import { fileURLToPath } from 'node:url';
import { InputError, Interrupted } from '@selective-dpo/foundation';
import { conversationIds, type Message } from '@selective-dpo/data';
import { generate } from '@selective-dpo/model';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTextGenerator, type Answer, type AnswerRequest, type TextGenerator } from '../src/index.js';

/** A small model with a context of 64 tokens, a word a token. */
const POLICY = fileURLToPath(new URL('../../cli/demo/policy', import.meta.url));
const CONTEXT = 64;

const order = (content: string): Message[] => [{ role: 'user', content }];
const ORDERS = [
  order('Hi there, can we have two pretzels and one brownie for table five?'),
  order('Two salads, please.'),
  order('Can I get three omelettes to go?'),
];

describe('TextGenerator', () => {
  let generator: TextGenerator;
  beforeAll(async () => {
    generator = await openTextGenerator(POLICY, { engine: 'wasm', batchSize: 2 });
  });
  afterAll(() => generator.dispose());

  async function answers(request: AnswerRequest = {}, conversations = ORDERS): Promise<Answer[]> {
    const all: Answer[] = [];
    for await (const answer of generator.generateAnswers(conversations, request)) all.push(answer);
    return all;
  }

  it('answers in the order given what greedy decoding of each prompt alone gives', async () => {
    const before = tf.memory().numTensors;
    const all = await answers({ maxNewTokens: 12 });
    expect(tf.memory().numTensors).toBe(before);
    expect(all.map(({ index }) => index)).toEqual([0, 1, 2]);
    for (const [i, answer] of all.entries()) {
      const prompt = Int32Array.from(conversationIds(generator.tokenizer, ORDERS[i]!));
      const stopIds = [generator.tokenizer.eosTokenId];
      const [alone] = await generate(generator.model, [prompt], { maxNewTokens: 12, stopIds });
      expect([...answer.tokens]).toEqual([...alone!]);
      expect(answer.promptTokens).toBe(prompt.length);
      expect(answer.text).toBe(generator.tokenizer.decode(alone!, { skipSpecialTokens: true }));
    }
    expect(new Set(all.map(({ text }) => text)).size).toBe(3);
  });

  it('says whether an answer ended by itself', async () => {
    const whole = await answers({ maxNewTokens: 32 }, [ORDERS[1]!]);
    expect(whole[0]!.finishReason).toBe('stop');
    const length = whole[0]!.tokens.length;
    expect((await answers({ maxNewTokens: length - 1 }, [ORDERS[1]!]))[0]!.finishReason).toBe('length');
  });

  it('draws the same again with the same seed, and something else with another', async () => {
    const drawn = async (seed: number) =>
      (await answers({ maxNewTokens: 20, temperature: 2, seed })).map(({ text }) => text);
    const first = await drawn(1);
    expect(await drawn(1)).toEqual(first);
    expect(await drawn(2)).not.toEqual(first);
  });

  it('never passes the context of the model, and does not shorten the others for it', async () => {
    const long = order(Array.from({ length: 40 }, () => 'tea').join(' '));
    const [cut, other] = await answers({ maxNewTokens: 200, temperature: 3 }, [long, ORDERS[1]!]);
    expect(cut!.promptTokens + cut!.tokens.length).toBeLessThanOrEqual(CONTEXT);
    expect(other!.promptTokens + other!.tokens.length).toBeLessThanOrEqual(CONTEXT);
    expect(other!.tokens.length).toBeGreaterThan(CONTEXT - cut!.promptTokens);
  });

  it('refuses a prompt that fills the context, and stops when it is told to', async () => {
    const words = Array.from({ length: CONTEXT }, () => 'tea').join(' ');
    const refusal = await answers({}, [ORDERS[0]!, order(words)]).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(InputError);
    expect(refusal).toMatchObject({ code: 'prompt-too-long', details: { row: 1 } });
    await expect(answers({ signal: AbortSignal.abort() })).rejects.toThrow(Interrupted);
  });
});

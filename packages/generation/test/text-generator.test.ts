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
    const [cut, other] = await answers({ maxNewTokens: 200, temperature: 100, topK: 0 }, [long, ORDERS[1]!]);
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

  it('ends at a stop string, gives out the text in pieces, and keeps the string out of both', async () => {
    const [free] = await answers({ maxNewTokens: 20 }, [ORDERS[0]!]);
    const stop = free!.text.slice(10, 16);
    const pieces: string[] = [];
    const onText = (index: number, piece: string) => pieces.push(`${index}:${piece}`);
    const [ended] = await answers({ maxNewTokens: 20, stop: [stop], onText }, [ORDERS[0]!]);
    expect(ended!.text).toBe(free!.text.slice(0, free!.text.indexOf(stop)));
    expect(ended!.finishReason).toBe('stop');
    expect(ended!.tokens.length).toBeLessThan(free!.tokens.length);
    expect(pieces.map((piece) => piece.slice(2)).join('')).toBe(ended!.text);
    expect(pieces.length).toBeGreaterThan(1);
  });

  it('ends at any of several end tokens', async () => {
    const [free] = await answers({ maxNewTokens: 20 }, [ORDERS[0]!]);
    const end = free!.tokens[5]!;
    const [ended] = await answers({ maxNewTokens: 20, stopIds: [end] }, [ORDERS[0]!]);
    expect([...ended!.tokens]).toEqual([...free!.tokens.slice(0, free!.tokens.indexOf(end))]);
    expect(ended!.finishReason).toBe('stop');
  });

  it('draws by the seed of each prompt where a list is given, wherever the prompt stands', async () => {
    const sampled = { maxNewTokens: 20, temperature: 2 };
    const both = await answers({ ...sampled, seed: [11, 12] }, [ORDERS[0]!, ORDERS[1]!]);
    const turned = await answers({ ...sampled, seed: [12, 11] }, [ORDERS[1]!, ORDERS[0]!]);
    expect(turned.map(({ text }) => text)).toEqual(both.map(({ text }) => text).reverse());
    const same = await answers({ ...sampled, seed: [11, 12] }, [ORDERS[0]!, ORDERS[0]!]);
    expect(same[0]!.text).not.toBe(same[1]!.text);
  });

  it('holds no tensor when it is stopped in the middle, or when nobody reads on', async () => {
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    const onText = () => controller.abort();
    await expect(answers({ signal: controller.signal, onText })).rejects.toThrow(Interrupted);
    expect(tf.memory().numTensors).toBe(before);
    for await (const { index } of generator.generateAnswers(ORDERS, { maxNewTokens: 30 })) {
      expect(index).toBe(0);
      break;
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(generator.load).toEqual({ running: 0, waiting: 0 });
  });

  it('scores given tokens as the scorer does, several requests together', async () => {
    const texts = ['Two salads, please.', 'Hi there', 'One brownie for table five?'];
    const prompts = texts.map((text) => Int32Array.from(generator.tokenizer.encode(text)));
    const scored = await Promise.all(prompts.map((ids, i) => generator.score(ids, i + 1)));
    for (const [i, ids] of prompts.entries()) {
      const sequence = { prompt: ids.slice(0, 1), responses: [ids.slice(1)] };
      const [[expected]] = (await generator.model.logps([sequence])) as [[Float32Array]];
      expect(scored[i]!.logps).toHaveLength(ids.length - 1);
      scored[i]!.logps.forEach((logp, k) => expect(Math.abs(logp - expected[k]!)).toBeLessThan(1e-4));
      expect(scored[i]!.top.ids).toHaveLength(ids.length * (i + 1));
    }
    await expect(generator.score(new Int32Array(CONTEXT + 1), 1)).rejects.toMatchObject({
      code: 'prompt-too-long',
    });
  });
});

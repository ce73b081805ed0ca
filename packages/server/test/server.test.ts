import { connect } from 'node:net';
import * as tf from '@tensorflow/tfjs-core';
import { conversationIds } from '@selective-dpo/data';
import type { TextGenerator } from '@selective-dpo/generation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTEXT, MODEL, RunningServer, eventsOf, openPolicy } from './running-server.js';

let generator: TextGenerator;
let running: RunningServer;
beforeAll(async () => {
  generator = await openPolicy();
  running = await RunningServer.start(generator);
});
afterAll(async () => {
  await running.server.close();
  generator.dispose();
});

const TEXT = 'Two salads, please.';
const MESSAGES = [{ role: 'user', content: TEXT }];
const completions = (body: object) => running.send('/v1/completions', body);
const chat = (body: object) => running.send('/v1/chat/completions', body);
const idsOf = (text: string): number[] => generator.tokenizer.encode(text);

/** Log-probs of ids behind the first, as scoring a dataset computes them. */
async function scorerLogps(ids: number[]): Promise<Float32Array> {
  const sequence = { prompt: Int32Array.from(ids.slice(0, 1)), responses: [Int32Array.from(ids.slice(1))] };
  const [[logps]] = (await generator.model.logps([sequence])) as [[Float32Array]];
  return logps;
}

/** What lm-evaluation-harness 0.4 sends for log-likelihoods (`local-completions`), and how it reads the answer. */
const harnessRequest = (prompt: number[][], maxTokens = 1) => ({
  ...{ model: MODEL, prompt, temperature: 0, max_tokens: maxTokens, logprobs: 1, seed: 1234, echo: true },
});
interface HarnessChoice {
  index: number;
  logprobs: { token_logprobs: (number | null)[]; top_logprobs: (Record<string, number> | null)[] };
}
function harnessReads({ logprobs }: HarnessChoice, contextLength: number) {
  const own = logprobs.token_logprobs.slice(contextLength, -1) as number[];
  const top = logprobs.top_logprobs.slice(contextLength, -1) as Record<string, number>[];
  return {
    sum: own.reduce((a, b) => a + b, 0),
    isGreedy: own.every((logp, i) => logp === Math.max(...Object.values(top[i]!))),
  };
}

describe('log-likelihood requests of lm-evaluation-harness', () => {
  const PAIRS: [context: string, continuation: string][] = [
    ['Two salads,', ' please.'],
    ['Hi there, can we have two', ' pretzels and one brownie'],
    ['One', ' brownie for table five?'],
  ];

  it('get the log-probs that the scorer gives, in a batch of different lengths', async () => {
    const prompts = PAIRS.map(([context, continuation]) => [...idsOf(context), ...idsOf(continuation)]);
    const { status, json } = await completions(harnessRequest(prompts));
    expect(status).toBe(200);
    expect(json.choices).toHaveLength(3);
    for (const [i, prompt] of prompts.entries()) {
      const choice = json.choices[i] as HarnessChoice;
      const contextLength = idsOf(PAIRS[i]![0]).length;
      const expected = await scorerLogps(prompt);
      expect(choice.index).toBe(i);
      expect(choice.logprobs.token_logprobs).toHaveLength(prompt.length + 1);
      expect(choice.logprobs.token_logprobs[0]).toBeNull();
      const { sum } = harnessReads(choice, contextLength);
      const wanted = expected.slice(contextLength - 1).reduce((a, b) => a + b, 0);
      expect(Math.abs(sum - wanted)).toBeLessThan(1e-4);
      // Negative control: one place further on it is another number.
      expect(Math.abs(harnessReads(choice, contextLength + 1).sum - wanted)).toBeGreaterThan(1e-2);
    }
  });

  it('tell whether a continuation is the greedy one', async () => {
    const context = conversationIds(generator.tokenizer, MESSAGES);
    const { tokens } = await generator.complete(
      { ids: Int32Array.from(context), kind: 'answer' },
      { maxNewTokens: 6, temperature: 0 },
    );
    const other = [...tokens.slice(0, 5), (tokens[5]! + 1) % generator.model.config.vocabSize];
    const { json } = await completions(
      harnessRequest([
        [...context, ...tokens],
        [...context, ...other],
      ]),
    );
    const greedy = json.choices.map((choice: HarnessChoice) => harnessReads(choice, context.length).isGreedy);
    expect(greedy).toEqual([true, false]);
  });

  it('get the same where no token, one, or several are generated, and a token also where the text ends there', async () => {
    const ids = [...conversationIds(generator.tokenizer, MESSAGES)];
    const { tokens, finishReason } = await generator.complete(
      { ids: Int32Array.from(ids), kind: 'answer' },
      { maxNewTokens: 40, temperature: 0 },
    );
    expect(finishReason).toBe('stop');
    const whole = [...ids, ...tokens];
    const listed: (number | null)[][] = [];
    for (const maxTokens of [0, 1, 3]) {
      const { json } = await completions(harnessRequest([whole], maxTokens));
      expect(json.choices[0].finish_reason).toBe(maxTokens === 0 ? 'length' : 'stop');
      expect(json.usage.completion_tokens).toBe(0);
      listed.push(json.choices[0].logprobs.token_logprobs);
    }
    expect(listed.map((list) => list.length - whole.length)).toEqual([0, 1, 1]);
    listed[2]!.slice(1).forEach((logp, i) => expect(Math.abs(logp! - listed[1]![i + 1]!)).toBeLessThan(1e-4));
    expect(listed[1]!.slice(0, -1)).toEqual(listed[0]);
  });

  it('are answered up to the whole context, and refused beyond', async () => {
    const long = Array.from({ length: CONTEXT + 1 }, (_, i) => 5 + (i % 7));
    const { status, json } = await completions(harnessRequest([long.slice(1)]));
    expect([status, json.choices[0].logprobs.tokens.length]).toEqual([200, CONTEXT + 1]);
    const refused = await completions(harnessRequest([long]));
    expect([refused.status, refused.json.error.code]).toEqual([400, 'context_length_exceeded']);
  });
});

describe('/v1/completions', () => {
  it('takes a text, texts, ids and lists of ids, and gives the same for each', async () => {
    const forms = [TEXT, [TEXT], idsOf(TEXT), [idsOf(TEXT)]];
    const texts = [];
    for (const prompt of forms) {
      const { json } = await completions({ prompt, temperature: 0, max_tokens: 8 });
      texts.push(json.choices[0].text);
      expect(json).toMatchObject({ object: 'text_completion', model: MODEL });
      expect(json.usage).toMatchObject({ prompt_tokens: idsOf(TEXT).length });
    }
    expect(new Set(texts).size).toBe(1);
    expect(texts[0].length).toBeGreaterThan(0);
  });

  it('echoes the prompt, with offsets that point at each token', async () => {
    const { json } = await completions({
      prompt: TEXT,
      temperature: 0,
      max_tokens: 6,
      echo: true,
      logprobs: 2,
    });
    const [{ text, logprobs }] = json.choices;
    expect(text.startsWith(TEXT)).toBe(true);
    expect(logprobs.tokens).toHaveLength(idsOf(TEXT).length + 6);
    logprobs.text_offset.forEach((offset: number, i: number) => {
      const token = logprobs.tokens[i].trim();
      if (i > 0 && offset < text.length) expect(text.slice(offset).trimStart().startsWith(token)).toBe(true);
    });
    expect(Object.keys(logprobs.top_logprobs[2]).length).toBeGreaterThanOrEqual(2);
  });

  it('gives log-probs of generated tokens that the scorer gives, without echo', async () => {
    const { json } = await completions({ prompt: idsOf(TEXT), temperature: 0, max_tokens: 5, logprobs: 0 });
    const { tokens, token_logprobs: logps } = json.choices[0].logprobs;
    expect(tokens).toHaveLength(5);
    const answer = await generator.complete(
      { ids: Int32Array.from(idsOf(TEXT)), kind: 'continuation' },
      { maxNewTokens: 5, temperature: 0 },
    );
    const expected = await scorerLogps([...idsOf(TEXT), ...answer.tokens]);
    logps.forEach((logp: number, i: number) => {
      expect(Math.abs(logp - expected[idsOf(TEXT).length - 1 + i]!)).toBeLessThan(1e-4);
    });
  });

  it('gives n answers, the same again for the same seed', async () => {
    const ask = async (seed: number) => {
      const { json } = await completions({ prompt: TEXT, n: 3, seed, max_tokens: 10, temperature: 1.5 });
      return json.choices.map(({ text }: { text: string }) => text);
    };
    const first = await ask(4);
    expect(new Set(first).size).toBeGreaterThan(1);
    expect(await ask(4)).toEqual(first);
    expect(await ask(5)).not.toEqual(first);
  });
});

describe('/v1/chat/completions', () => {
  it('answers through the chat template, with log-probs on request', async () => {
    const { json } = await chat({
      messages: MESSAGES,
      temperature: 0,
      max_tokens: 8,
      logprobs: true,
      top_logprobs: 2,
    });
    const expected = await generator.complete(
      { ids: Int32Array.from(conversationIds(generator.tokenizer, MESSAGES)), kind: 'answer' },
      { maxNewTokens: 8, temperature: 0 },
    );
    const [{ message, finish_reason: reason, logprobs }] = json.choices;
    expect(message).toMatchObject({ role: 'assistant', content: expected.text });
    expect(reason).toBe('length');
    expect(logprobs.content).toHaveLength(8);
    expect(logprobs.content[0].top_logprobs[0].logprob).toBe(logprobs.content[0].logprob);
    const parts = [{ role: 'user', content: [{ type: 'text', text: TEXT }] }];
    expect(
      (await chat({ messages: parts, temperature: 0, max_tokens: 8 })).json.choices[0].message.content,
    ).toBe(expected.text);
  });

  it('ends at a stop string', async () => {
    const whole = (await chat({ messages: MESSAGES, temperature: 0 })).json.choices[0];
    expect(whole.finish_reason).toBe('stop');
    const stop = whole.message.content.slice(8, 12);
    const { json } = await chat({ messages: MESSAGES, temperature: 0, stop });
    expect(json.choices[0].message.content).toBe(
      whole.message.content.slice(0, whole.message.content.indexOf(stop)),
    );
  });

  it('streams the same text in pieces, with usage where it is asked for', async () => {
    const asked = { messages: MESSAGES, temperature: 0, max_tokens: 12 };
    const whole = (await chat(asked)).json;
    const { text, headers } = await chat({ ...asked, stream: true, stream_options: { include_usage: true } });
    expect(headers['content-type']).toContain('text/event-stream');
    const events = eventsOf(text);
    const deltas = events.flatMap(({ choices }) => choices);
    expect(deltas[0].delta).toEqual({ role: 'assistant', content: '' });
    const pieces = deltas.map(({ delta }) => delta.content ?? '');
    expect(pieces.join('')).toBe(whole.choices[0].message.content);
    expect(pieces.filter((piece) => piece !== '').length).toBeGreaterThan(3);
    expect(deltas.at(-1)).toMatchObject({ delta: {}, finish_reason: 'length' });
    expect(events.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
    expect(new Set(events.map(({ id }) => id)).size).toBe(1);
  });
});

describe('the server', () => {
  it('tells of its model and its health', async () => {
    expect((await running.send('/v1/models')).json.data[0]).toMatchObject({
      id: MODEL,
      max_model_len: CONTEXT,
    });
    expect((await running.send('/health')).json).toEqual({ status: 'ok', running: 0, waiting: 0 });
  });

  it('computes requests that come together together, and each gets its own answer', async () => {
    const texts = [
      'Two salads, please.',
      'One brownie for table five?',
      'Hi there',
      'Can I get three omelettes to go?',
    ];
    const ask = (text: string) =>
      chat({ messages: [{ role: 'user', content: text }], temperature: 0, max_tokens: 20 });
    const alone = [];
    for (const text of texts) alone.push((await ask(text)).json.choices[0].message.content);
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, generator.load.running)), 1);
    const together = await Promise.all(texts.map(ask));
    clearInterval(watch);
    expect(together.map(({ json }) => json.choices[0].message.content)).toEqual(alone);
    expect(most).toBeGreaterThan(1);
  });

  it('stops generating when the client goes, and holds no tensor', async () => {
    const before = tf.memory().numTensors;
    const asked = { messages: MESSAGES, temperature: 100, top_k: 0, stream: true, n: 4 };
    const left = running.send('/v1/chat/completions', asked, {}, 'POST', (_, leave) => leave());
    await expect(left).rejects.toThrow();
    await expect.poll(() => running.events.at(-1)?.status).toBe(200);
    await expect.poll(() => generator.load).toEqual({ running: 0, waiting: 0 });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('closing', () => {
  it('lets requests at work end, and takes no others', async () => {
    const other = await RunningServer.start(generator);
    const asked = { messages: MESSAGES, temperature: 100, top_k: 0, stream: true };
    const at = other.send('/v1/chat/completions', asked);
    await expect.poll(() => generator.load.running, { interval: 1 }).toBe(1);
    const closed = other.server.close();
    expect(eventsOf((await at).text).length).toBeGreaterThan(3);
    await closed;
    await expect(other.send('/health')).rejects.toThrow('ECONNREFUSED');
  });

  it('waits for no client that stalls in the middle of its body', async () => {
    const limits = { closeGraceMs: 50, requestTimeoutMs: 600_000 };
    const other = await RunningServer.start(generator, { limits });
    const head = 'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
    const stalled = other.raw(`${head}content-length: 1000\r\n\r\n{"prompt"`);
    await expect.poll(() => other.server.requestsAtWork, { interval: 1 }).toBe(1);
    await other.server.close();
    expect(await stalled).toMatch(/^HTTP\/1\.1 503 /);
    expect(other.events).toMatchObject([{ status: 503 }]);
    expect(other.events[0]!.failure).toBeUndefined();
  });

  it('tells its log of a client that leaves in the middle of its body, without a failure', async () => {
    const other = await RunningServer.start(generator);
    const head = 'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
    const socket = connect(other.server.port, '127.0.0.1', () =>
      socket.write(`${head}content-length: 1000\r\n\r\n{"prompt"`),
    );
    await expect.poll(() => other.server.requestsAtWork, { interval: 1 }).toBe(1);
    socket.destroy();
    await expect.poll(() => other.events).toMatchObject([{ status: 499 }]);
    expect(other.events[0]!.failure).toBeUndefined();
    await other.server.close();
  });

  it('stops them after the time of grace', async () => {
    const other = await RunningServer.start(generator, { limits: { closeGraceMs: 0 } });
    const at = other.send('/v1/completions', {
      prompt: TEXT,
      temperature: 100,
      top_k: 0,
      n: 32,
      max_tokens: 60,
    });
    await expect.poll(() => generator.load.running, { interval: 1 }).toBeGreaterThan(0);
    await other.server.close();
    expect((await at).status).toBe(503);
    expect(generator.load).toEqual({ running: 0, waiting: 0 });
  });
});

import * as tf from '@tensorflow/tfjs-core';
import type { TextGenerator } from '@selective-dpo/generation';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MODEL, POLICY, RunningServer, openPolicy, type Reply } from './running-server.js';

let generator: TextGenerator;
let running: RunningServer;
let before: number;
beforeAll(async () => {
  generator = await openPolicy();
  running = await RunningServer.start(generator, {
    limits: { maxBodyBytes: 100_000, maxRequests: 2, requestTimeoutMs: 1500, headersTimeoutMs: 1000 },
  });
  before = tf.memory().numTensors;
});
afterAll(async () => {
  // Whatever was sent: it still answers, and holds nothing.
  const { status } = await running.send('/v1/completions', { prompt: 'Hi', max_tokens: 1 });
  expect(status).toBe(200);
  expect(tf.memory().numTensors).toBe(before);
  expect(running.events.filter(({ status }) => status >= 500)).toEqual([]);
  await running.server.close();
  generator.dispose();
});

/** An error in OpenAI's shape that tells nothing of the machine. */
function expectRefusal({ status, json, text, headers }: Reply, expected: number): void {
  expect(status).toBe(expected);
  expect(Object.keys(json.error).sort()).toEqual(['code', 'message', 'param', 'type']);
  expect(json.error.type).toBe('invalid_request_error');
  expect(text).not.toMatch(/node_modules|\.ts|\.js|at \w+ \(|packages|ZodError/);
  expect(text).not.toContain(POLICY);
  expect(text.length).toBeLessThan(1000);
  expect(headers['access-control-allow-origin']).toBeUndefined();
}

describe('bodies', () => {
  const PROMPT = { prompt: 'Hi' };
  const wrong: [string, unknown][] = [
    ['an empty object', {}],
    ['a list', []],
    ['null', null],
    ['a number', 3],
    ['an empty list of prompts', { prompt: [] }],
    ['an empty list of ids', { prompt: [[]] }],
    ['texts and ids mixed', { prompt: ['a', 1] }],
    ['a prompt that is an object', { prompt: { length: 3 } }],
    ['an id below 0', { prompt: [-1] }],
    ['an id that is no whole number', { prompt: [1.5] }],
    ['an id beyond the vocabulary', { prompt: [1_000_000] }],
    ['an id beyond any number of 32 bits', { prompt: [2 ** 53] }],
    ['an id as a text', { prompt: ['1', 2] }],
    ['too many prompts', { prompt: new Array(129).fill('a') }],
    ['too many answers', { ...PROMPT, n: 129 }],
    ['too many prompts times answers', { prompt: ['a', 'b'], n: 100 }],
    ['no answer', { ...PROMPT, n: 0 }],
    ['fewer than no tokens', { ...PROMPT, max_tokens: -1 }],
    ['half a token', { ...PROMPT, max_tokens: 0.5 }],
    ['a text of tokens', { ...PROMPT, max_tokens: '5' }],
    ['a negative temperature', { ...PROMPT, temperature: -0.1 }],
    ['a temperature beyond all', { ...PROMPT, temperature: 1e300 }],
    ['top_p 0', { ...PROMPT, top_p: 0 }],
    ['top_p above 1', { ...PROMPT, top_p: 1.01 }],
    ['a negative top_k', { ...PROMPT, top_k: -1 }],
    ['a seed beyond whole numbers', { ...PROMPT, seed: 1e300 }],
    ['too many log-probs', { ...PROMPT, logprobs: 21 }],
    ['log-probs as a truth value', { ...PROMPT, logprobs: true }],
    ['log-probs in a stream', { ...PROMPT, logprobs: 1, stream: true }],
    ['best_of', { ...PROMPT, best_of: 4 }],
    ['a suffix', { ...PROMPT, suffix: 'x' }],
    ['a penalty', { ...PROMPT, presence_penalty: 0.5 }],
    ['a bias', { ...PROMPT, logit_bias: { 5: 100 } }],
    ['an empty stop string', { ...PROMPT, stop: '' }],
    ['too many stop strings', { ...PROMPT, stop: new Array(17).fill('x') }],
    ['a stop string without end', { ...PROMPT, stop: 'x'.repeat(257) }],
    ['stream as a text', { ...PROMPT, stream: 'yes' }],
    ['an unknown key', { ...PROMPT, frobnicate: 1 }],
    ['an unknown key of any length', { ...PROMPT, ['x'.repeat(50_000)]: 1 }],
    ['tools', { messages: [{ role: 'user', content: 'a' }], tools: [] }],
    ['a prompt longer than the context', { prompt: 'tea '.repeat(200) }],
    ['a prompt of more characters than fit', { prompt: 'tea '.repeat(600) }],
    ['a prompt longer than any', { prompt: 'x'.repeat(90_000) }],
  ];
  it.each(wrong)('%s is refused', async (_, body) => {
    const path = JSON.stringify(body).includes('messages') ? '/v1/chat/completions' : '/v1/completions';
    expectRefusal(await running.send(path, JSON.stringify(body)), 400);
  });

  it.each(['{"__proto__": 7}', '{"__proto__": {"a": "b"}}', '["a"]', '7', '{"a": {}}'])(
    'metadata %s are refused, and not passed over',
    async (metadata) => {
      const body = `{"prompt": "tea", "max_tokens": 1, "metadata": ${metadata}}`;
      expectRefusal(await running.send('/v1/completions', body), 400);
    },
  );

  it('metadata of texts are taken (control)', async () => {
    const body = '{"prompt": "tea", "max_tokens": 1, "metadata": {"__proto__": "a", "b": ""}}';
    expect((await running.send('/v1/completions', body)).status).toBe(200);
  });

  const MESSAGE = { role: 'user', content: 'Hi' };
  it.each<[string, unknown]>([
    ['no message', { messages: [] }],
    ['messages as a text', { messages: 'Hi' }],
    ['a message without content', { messages: [{ role: 'user' }] }],
    ['a message without role', { messages: [{ content: 'a' }] }],
    [
      'an image',
      {
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }] },
        ],
      },
    ],
    ['a tool call', { messages: [MESSAGE, { role: 'assistant', content: 'x', tool_calls: [] }] }],
    ['top_logprobs alone', { messages: [MESSAGE], top_logprobs: 2 }],
    ['a format', { messages: [MESSAGE], response_format: { type: 'json_object' } }],
    ['more text than fits', { messages: [{ role: 'user', content: 'tea '.repeat(2000) }] }],
  ])('a chat with %s is refused', async (_, body) => {
    expectRefusal(await running.send('/v1/chat/completions', JSON.stringify(body)), 400);
  });

  it.each<[string, string | Buffer]>([
    ['nothing', ''],
    ['half an object', '{"prompt": "a"'],
    ['NaN', '{"prompt": "a", "temperature": NaN}'],
    ['Infinity', '{"prompt": "a", "temperature": Infinity}'],
    ['a number beyond float64', '{"prompt": "a", "temperature": 1e999}'],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ['nesting without end', '['.repeat(50_000)],
    ['nested objects', '{"a":'.repeat(10_000)],
    ['a prototype', '{"prompt": "a", "__proto__": {"n": 100}}'],
    ['a constructor', '{"prompt": "a", "constructor": {"prototype": {}}}'],
    ['two objects', '{"prompt": "a"}{"prompt": "b"}'],
  ])('%s is refused', async (_, body) => {
    expectRefusal(await running.send('/v1/completions', body), 400);
  });

  it('lists of faults, and prompts that are to be echoed, are refused before any work on them', async () => {
    const large = await RunningServer.start(generator, { limits: { maxBodyBytes: 8 << 20 } });
    const ids = (count: number, id: unknown) => Array.from({ length: count }, () => id);
    for (const [path, body, param] of [
      ['/v1/completions', { prompt: ids(1_000_000, -1) }, 'prompt'],
      ['/v1/completions', { prompt: ids(1_000_000, {}) }, 'prompt'],
      ['/v1/completions', { prompt: 'a', stop: ids(1_000_000, 3) }, 'stop'],
      ['/v1/chat/completions', { messages: ids(1_000_000, {}) }, 'messages'],
      ['/v1/chat/completions', { messages: [{ role: 'user', content: ids(1_000_000, {}) }] }, 'messages'],
      ['/v1/completions', { prompt: 'a', logit_bias: { 5: 1 } }, 'logit_bias.5'],
      ['/v1/completions', { prompt: 'a', n: 1e30 }, 'n'],
    ] as const) {
      const reply = await large.send(path, JSON.stringify(body));
      expectRefusal(reply, 400);
      expect(reply.json.error.param).toBe(param);
      expect(reply.json.error.message).not.toMatch(/Invalid|9007199254740991/);
    }
    const decoded = vi.spyOn(generator.tokenizer, 'decode');
    const echo = { prompt: ids(100_000, 5), echo: true, logprobs: 1, max_tokens: 0, n: 128 };
    expectRefusal(await large.send('/v1/completions', JSON.stringify(echo)), 400);
    expect(decoded).not.toHaveBeenCalled();
    // Negative control: what fits is decoded.
    expect((await large.send('/v1/completions', { ...echo, prompt: [5, 6], n: 2 })).status).toBe(200);
    expect(decoded).toHaveBeenCalled();
    decoded.mockRestore();
    await large.server.close();
  });

  it('a body beyond the limit is refused, announced or not', async () => {
    const large = JSON.stringify({ prompt: 'x'.repeat(200_000) });
    expectRefusal(await running.send('/v1/completions', large), 413);
    const chunk = 'x'.repeat(60_000);
    const chunks = `${chunk.length.toString(16)}\r\n${chunk}\r\n`.repeat(3);
    const head =
      'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
    expect(await running.raw(head + chunks)).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('what is no JSON by its type, or packed, is refused', async () => {
    const body = JSON.stringify({ prompt: 'a' });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
      expectRefusal(await running.send('/v1/completions', body, { 'content-type': type }), 415);
    }
    expectRefusal(await running.send('/v1/completions', body, { 'content-encoding': 'gzip' }), 415);
  });
});

describe('requests', () => {
  it('for other paths, methods and models are refused', async () => {
    for (const path of [
      '/',
      '/v1',
      '/v1/../../etc/passwd',
      '/v1/completions/',
      '/%2e%2e/',
      '/__proto__',
      '/constructor',
    ]) {
      expectRefusal(await running.send(path), 404);
    }
    expectRefusal(await running.send('/v1/completions'), 405);
    expectRefusal(await running.send('/health', { a: 1 }), 405);
    expectRefusal(await running.send('/v1/completions', undefined, {}, 'OPTIONS'), 405);
    expectRefusal(await running.send('/v1/completions', { model: '../../etc/passwd', prompt: 'a' }), 404);
    expect((await running.send('/v1/completions', { model: MODEL, prompt: 'a', max_tokens: 1 })).status).toBe(
      200,
    );
  });

  it('under a foreign name, or from a page of another origin, are refused', async () => {
    const { port } = running.server;
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.evil.example',
      'localhost@evil',
      '10.0.0.1',
      '[::2]',
    ]) {
      expectRefusal(await running.send('/v1/models', undefined, { host }), 403);
    }
    for (const origin of ['http://evil.example', 'null', `https://127.0.0.1:${port}`]) {
      expectRefusal(await running.send('/v1/models', undefined, { origin }), 403);
    }
    for (const host of [`localhost:${port}`, '127.0.0.1', `[::1]:${port}`, 'LOCALHOST']) {
      expect((await running.send('/v1/models', undefined, { host })).status).toBe(200);
    }
    const own = { host: `localhost:${port}`, origin: `http://localhost:${port}` };
    expect((await running.send('/v1/models', undefined, own)).status).toBe(200);
  });

  it('beyond the queue get 429 and the time to come back', async () => {
    const body = { prompt: 'Hi', max_tokens: 40, temperature: 100, top_k: 0, n: 16 };
    const replies = await Promise.all(Array.from({ length: 6 }, () => running.send('/v1/completions', body)));
    const refused = replies.filter(({ status }) => status === 429);
    expect(replies.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(2);
    expect(refused.length).toBeGreaterThanOrEqual(1);
    for (const reply of refused) {
      expectRefusal(reply, 429);
      expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
    }
  });
});

describe('connections', () => {
  const GET = 'GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n';

  it.each<[string, string | Buffer]>([
    ['bytes at random', Buffer.from(Array.from({ length: 600 }, (_, i) => (i * 7919) % 256))],
    ['TLS', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc])],
    ['another protocol', 'EHLO there\r\n\r\n'],
    [
      'a length twice',
      'POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n',
    ],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a negative length', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -5\r\n\r\n'],
    ['no Host', 'GET /health HTTP/1.1\r\n\r\n'],
  ])('%s is answered with 400 and closed', async (_, bytes) => {
    expect(await running.raw(bytes)).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('with headers beyond the limit are refused', async () => {
    const header = `GET /health HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`;
    expect(await running.raw(header)).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('with garbage behind a request get one answer, and end', async () => {
    const text = await running.raw(`${GET}\u0000\u0001garbage\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 (200|400) /);
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(text).not.toContain('node_modules');
  });

  it('that send slowly, or never end, are closed', async () => {
    expect(await running.raw('GET /health HTTP/1.1\r\nhost: loc')).toMatch(/^(HTTP\/1\.1 408 |$)/);
    const slow =
      'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"pro';
    expect(await running.raw(slow)).toMatch(/^(HTTP\/1\.1 408 |$)/);
    await expect
      .poll(async () => (await running.send('/v1/completions', { prompt: 'Hi', max_tokens: 1 })).status)
      .toBe(200);
  });
});

import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { InputError } from '@selective-dpo/foundation';
import { ChatEndpoint, JudgeFailure, type ChatEndpointOptions, type JudgeRequest } from '../src/index.js';
import { startScriptedJudge, type Script, type ScriptedJudge } from './scripted-judge.js';

const request: JudgeRequest = {
  messages: [
    { role: 'system', content: 'be just' },
    { role: 'user', content: 'which one?' },
  ],
  ...{ kind: 'pairwise', category: 'x', turns: ['which one?'] },
};

const open: ScriptedJudge[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

/** An endpoint of a scripted judge, and the waits it made. */
async function endpointOf(script: Partial<Script>, change: Partial<ChatEndpointOptions> = {}) {
  const server = await startScriptedJudge({ verdict: () => 'fine [[A=B]]', ...script });
  open.push(server);
  const waits: number[] = [];
  const wait = (ms: number) => Promise.resolve(void waits.push(ms));
  const endpoint = new ChatEndpoint({ url: server.url, model: 'm', timeoutMs: 300, wait, ...change });
  const ask = (signal = new AbortController().signal) => endpoint.ask(request, signal);
  return { server, endpoint, ask, waits };
}

const answerWith = (
  status: number,
  body = '',
  headers: Record<string, string> = {},
): NonNullable<Script['instead']> => {
  return (_request, response) => {
    response.writeHead(status, headers).end(body);
    return true;
  };
};

describe('ChatEndpoint', () => {
  it('sends model, messages and key, and gives the text', async () => {
    const { server, ask } = await endpointOf({}, { key: 'secret-1' });
    expect(await ask()).toBe('fine [[A=B]]');
    expect(server.bodies[0]).toMatchObject({ model: 'm', messages: request.messages, temperature: 0 });
    expect(server.keys).toEqual(['Bearer secret-1']);
  });

  it.each([
    ['500', (response: ServerResponse) => response.writeHead(500).end()],
    ['503', (response: ServerResponse) => response.writeHead(503).end()],
    ['a stall', () => undefined],
    ['a stall in its answer', (response: ServerResponse) => response.writeHead(200).write('{')],
    ['a cut connection', (response: ServerResponse) => response.destroy()],
    [
      'a cut answer',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': '99' }).write('{');
        setTimeout(() => response.destroy(), 5);
      },
    ],
    ['no JSON', (response: ServerResponse) => response.writeHead(200).end('<p>')],
    [
      'JSON of something else',
      (response: ServerResponse) => response.writeHead(200).end('{"choices":[null]}'),
    ],
    [
      'JSON nested without end',
      (response: ServerResponse) => response.writeHead(200).end('['.repeat(200_000)),
    ],
  ])('asks again after %s', async (_name, spoil) => {
    const { server, endpoint, ask, waits } = await endpointOf({
      instead: (_request, response, call) => {
        if (call < 3) spoil(response);
        return call < 3;
      },
    });
    expect(await ask()).toBe('fine [[A=B]]');
    expect([server.calls, endpoint.repeated, waits.length]).toEqual([3, 2, 2]);
  });

  it('gives up after the repetitions it was allowed', async () => {
    const { server, ask } = await endpointOf({ instead: answerWith(500, 'out of order') }, { retries: 2 });
    await expect(ask()).rejects.toThrow('HTTP 500: out of order; 3 calls');
    await expect(ask()).rejects.toBeInstanceOf(JudgeFailure);
    expect(server.calls).toBe(6);
  });

  it.each([429, 503])('waits as long as %d asks for', async (status) => {
    const { ask, waits } = await endpointOf({
      instead: (incoming, response, call) =>
        call === 1 && answerWith(status, '', { 'retry-after': '17' })(incoming, response, call),
    });
    await ask();
    expect(waits).toEqual([17_000]);
  });

  it.each([
    [401, 'judge-key'],
    [403, 'judge-key'],
    [404, 'judge-not-found'],
  ])('ends at once at %d', async (status, code) => {
    const { server, ask } = await endpointOf({ instead: answerWith(status, 'no') });
    await expect(ask()).rejects.toMatchObject({ code });
    expect(server.calls).toBe(1);
  });

  it('does not repeat what this request will always get', async () => {
    const { server, ask } = await endpointOf({ instead: answerWith(400, 'too long') });
    await expect(ask()).rejects.toThrow('HTTP 400: too long');
    expect(server.calls).toBe(1);
  });

  it.each([301, 302, 307, 308])('follows no redirect (%d), so the key goes nowhere else', async (status) => {
    const elsewhere = await endpointOf({});
    const { ask } = await endpointOf(
      { instead: answerWith(status, '', { location: `${elsewhere.server.url}/chat/completions` }) },
      { key: 'secret-2' },
    );
    await expect(ask()).rejects.toMatchObject({ code: 'judge-redirects' });
    expect(elsewhere.server.calls).toBe(0);
  });

  it('reads no more of an answer than an answer has', async () => {
    let sent = 0;
    const { ask } = await endpointOf(
      {
        instead: (_request, response) => {
          response.writeHead(200);
          const piece = Buffer.alloc(1 << 16, 'x');
          const pour = (): void => {
            while (!response.destroyed && response.write(piece)) sent += piece.length;
            sent += piece.length;
            if (!response.destroyed) response.once('drain', pour);
          };
          pour();
          return true;
        },
      },
      { timeoutMs: 20_000 },
    );
    await expect(ask()).rejects.toThrow('an answer of more than 4194304 bytes');
    expect(sent).toBeLessThan(64 << 20);
  });

  it('never says the key, even where the server does', async () => {
    const key = 'sk-very-secret';
    for (const status of [200, 400, 401, 500]) {
      const { ask } = await endpointOf(
        {
          instead: (incoming, response, call) => {
            const said = `you sent ${incoming.headers.authorization ?? ''}`;
            const body = status === 200 ? { choices: [{ message: { content: said } }] } : said;
            return answerWith(status, JSON.stringify(body), { location: said })(incoming, response, call);
          },
        },
        { key, retries: 0 },
      );
      const told = await ask().catch((error: unknown) =>
        JSON.stringify([String(error), error instanceof InputError ? error.details : '']),
      );
      expect(told, String(status)).toContain('[key]');
      expect(told, String(status)).not.toContain(key);
    }
  });

  it('ends when it is told to, also while it waits', async () => {
    const asked = new AbortController();
    const { ask } = await endpointOf(
      { instead: answerWith(500) },
      {
        wait: (_ms, signal) => {
          asked.abort(new Error('enough'));
          signal.throwIfAborted();
          return Promise.resolve();
        },
      },
    );
    await expect(ask(asked.signal)).rejects.toThrow('enough');
  });

  it.each([
    ...['', 'localhost:8000/v1', 'file:///etc/passwd', 'ftp://host/v1', 'http://me:secret@host/v1'],
    ...['http://host/v1?key=secret', 'http://host/v1#secret'],
  ])('refuses the address %s without repeating it', (url) => {
    let refused: unknown;
    try {
      new ChatEndpoint({ url, model: 'm' });
    } catch (error) {
      refused = error;
    }
    expect(refused).toMatchObject({ code: 'judge-url' });
    expect(JSON.stringify((refused as InputError).details)).not.toContain('secret');
  });

  it('refuses a key that no header can hold, without repeating it', () => {
    const open = (key: string) => new ChatEndpoint({ url: 'http://localhost/v1', model: 'm', key });
    for (const key of ['sk-secret\nx', 'sk-sécret', 'sk secret']) {
      let refused: unknown;
      try {
        open(key);
      } catch (error) {
        refused = error;
      }
      expect(refused).toMatchObject({ code: 'judge-key' });
      expect(JSON.stringify([String(refused), refused])).not.toContain('sk');
    }
    // Negative control: a line end behind it, as files have, does no harm.
    expect(open(' sk-secret\n').name).toBe('m');
  });

  it('knows when a key would cross a network in clear', () => {
    const clear = (url: string, key?: string) => new ChatEndpoint({ url, model: 'm', key }).sendsKeyInClear;
    expect(clear('http://judge.example/v1', 'k')).toBe(true);
    expect([
      clear('http://judge.example/v1'),
      clear('https://judge.example/v1', 'k'),
      clear('http://localhost:1/v1', 'k'),
    ]).toEqual([false, false, false]);
  });
});

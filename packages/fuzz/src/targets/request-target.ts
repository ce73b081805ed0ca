/** Bodies of requests to the model server. */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { ApiError, DEFAULT_LIMITS, RequestReader, readJsonBody } from '@selective-dpo/server/requests';
import { changeBytes } from '../mutation/byte-mutations.js';
import { changeJson } from '../mutation/json-mutations.js';
import { insertOddText, replaceNumber } from '../mutation/text-mutations.js';
import type { FuzzTarget, PreparedTarget } from '../run/target.js';
import { isWhole, plainJson, pollution, sameValue } from './json-oracle.js';

const CHAT = {
  model: 'policy',
  messages: [
    { role: 'system', content: 'Be kind.' },
    { role: 'user', content: [{ type: 'text', text: 'Hello?' }], name: 'me' },
  ],
  ...{ max_tokens: 16, temperature: 0.7, top_p: 0.9, n: 2, stop: ['\n', 'END'], seed: 7, logprobs: true },
  ...{ top_logprobs: 3, presence_penalty: 0, logit_bias: {}, user: 'u', response_format: { type: 'text' } },
};
const STREAM = {
  messages: [{ role: 'user', content: 'x' }],
  stream: true,
  stream_options: { include_usage: true },
};
const COMPLETION = {
  ...{ model: 'policy', prompt: ['a', 'b'], echo: true, logprobs: 2, best_of: 1, n: 1, suffix: '' },
  metadata: { a: 'b' },
};
const IDS = { prompt: [[1, 2], [3]], max_tokens: 0, top_k: 5, stop: '.' };

const SEEDS: readonly Buffer[] = [CHAT, STREAM, COMPLETION, IDS].map((seed) =>
  Buffer.from(JSON.stringify(seed)),
);

function requestOf(body: Buffer): IncomingMessage {
  const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
  return Object.assign(Readable.from(body.length === 0 ? [] : [body]), {
    headers,
  }) as unknown as IncomingMessage;
}

/** The fields that a server acts on are of the types that OpenAI's reference names. */
function wrongRequest(request: Record<string, unknown>, isChat: boolean): string | undefined {
  const given = (key: string): unknown =>
    Object.hasOwn(request, key) ? (request[key] ?? undefined) : undefined;
  for (const [key, least, most] of [
    ['max_tokens', 0, 1 << 26],
    ['n', 1, DEFAULT_LIMITS.maxChoices],
    ['top_k', 0, 1 << 26],
    ['seed', -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['top_logprobs', 0, DEFAULT_LIMITS.maxLogprobs],
  ] as const) {
    const value = given(key);
    if (value !== undefined && !isWhole(value, least, most)) return `${key} is ${String(value)}`;
  }
  for (const key of ['temperature', 'top_p']) {
    const value = given(key);
    if (value !== undefined && !(typeof value === 'number' && value >= 0 && value <= 100))
      return `${key} is off`;
  }
  for (const key of ['stream', 'echo']) {
    if (given(key) !== undefined && typeof given(key) !== 'boolean') return `${key} is no flag`;
  }
  if (!isChat) return promptIsSound(given('prompt')) ? undefined : 'a prompt of another type';
  const messages = given('messages');
  const sound = (one: { role?: unknown; content?: unknown }): boolean =>
    typeof one.role === 'string' &&
    (typeof one.content === 'string' ||
      (one.content as { text?: unknown }[]).every(({ text }) => typeof text === 'string'));
  return Array.isArray(messages) && messages.length > 0 && messages.every(sound)
    ? undefined
    : 'messages are off';
}

function promptIsSound(prompt: unknown): boolean {
  if (typeof prompt === 'string') return true;
  const isId = (value: unknown): boolean => isWhole(value, 0, 2 ** 31 - 1);
  if (!Array.isArray(prompt) || prompt.length === 0) return false;
  if (prompt.every(isId)) return true;
  const lists = prompt.every((one) => Array.isArray(one) && one.length > 0 && one.every(isId));
  return lists || prompt.every((one) => typeof one === 'string');
}

async function prepare(): Promise<PreparedTarget> {
  const reader = new RequestReader(DEFAULT_LIMITS, 'policy');
  return Promise.resolve({
    seeds: SEEDS,
    async check(input) {
      const body = await readJsonBody(
        requestOf(input),
        DEFAULT_LIMITS.maxBodyBytes,
        new AbortController().signal,
      );
      const isChat = typeof body === 'object' && body !== null && 'messages' in body;
      const request = isChat ? reader.readChat(body) : reader.readCompletion(body);
      if (!sameValue(request, plainJson(input))) return 'not what JSON.parse gives';
      return wrongRequest(request, isChat) ?? pollution();
    },
    codeOf(error) {
      if (!(error instanceof ApiError) || error.status < 400 || error.status > 499) return undefined;
      return JSON.stringify(error.body).length < 2000
        ? `${error.status} ${error.code ?? ''}`.trim()
        : undefined;
    },
  });
}

export const requestTarget: FuzzTarget = {
  ...{ name: 'request', what: 'bodies of requests to sdpo serve', memoryMiB: 256, prepare },
  mutations: [...Array(6).fill(changeJson), replaceNumber, insertOddText, changeBytes],
};

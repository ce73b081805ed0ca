/**
 * A judge behind an OpenAI-compatible endpoint (`POST …/chat/completions`). What passes by itself (no connection, a stalled or cut
 * answer, 408, 425, 429, 5xx, an answer that is not JSON) is asked again. The key is sent to the given address alone: redirects
 * are not followed, and wherever the server repeats the key it is blotted out.
 */
import { InputError, parseShallowJson } from '@selective-dpo/foundation';
import { readBounded } from './bounded-body.js';
import { JudgeFailure, type Judge, type JudgeRequest } from './judge.js';
import { pause, retryAfter, retryDelay } from './retry-delay.js';

export interface ChatEndpointOptions {
  /** `http(s)://host[:port]/v1`, or the whole address with `/chat/completions`. */
  url: string;
  model: string;
  /** Sent as a bearer token; never written anywhere. */
  key?: string | undefined;
  temperature?: number;
  /** Tokens of the judge's answer. */
  maxTokens?: number;
  /** Time for one call, from its start to the last byte. */
  timeoutMs?: number;
  /** How often one request is repeated. */
  retries?: number;
  /** Waits between calls; replaced in tests. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Longest body of a response. A judge's text has some 10 KB. */
const MAX_RESPONSE_BYTES = 4 << 20;
const PASSING = new Set([408, 425, 429]);
const SHOWN = 200;

/** The call failed, and may succeed when it is made again. */
class PassingFailure extends Error {
  constructor(
    message: string,
    readonly askedMs?: number,
  ) {
    super(message);
  }
}

export class ChatEndpoint implements Judge {
  readonly name: string;
  /** Calls that were made again so far. */
  repeated = 0;
  private readonly address: URL;
  private readonly options: Required<Omit<ChatEndpointOptions, 'key' | 'url'>> & { key: string | undefined };

  /** @throws InputError `judge-url`, `judge-key`. */
  constructor({ url, key, ...options }: ChatEndpointOptions) {
    this.address = addressOf(url);
    this.name = options.model;
    const defaults = { temperature: 0, maxTokens: 2048, timeoutMs: 120_000, retries: 6, wait: pause };
    this.options = { ...defaults, ...options, key: sendableKey(key) };
  }

  /** Whether a key would cross the network unencrypted. */
  get sendsKeyInClear(): boolean {
    const { protocol, hostname } = this.address;
    const local = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
    return this.options.key !== undefined && protocol === 'http:' && !local;
  }

  async ask({ messages }: JudgeRequest, signal: AbortSignal): Promise<string> {
    const { retries, wait } = this.options;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.call(messages, signal);
      } catch (error) {
        if (!(error instanceof PassingFailure)) throw error;
        if (attempt >= retries) {
          throw new JudgeFailure(`${error.message}; ${attempt + 1} calls`);
        }
        this.repeated++;
        await wait(retryDelay(attempt, error.askedMs, Math.random()), signal);
      }
    }
  }

  private async call(messages: JudgeRequest['messages'], signal: AbortSignal): Promise<string> {
    const { key, model, temperature, maxTokens, timeoutMs } = this.options;
    const clock = AbortSignal.timeout(timeoutMs);
    let status: number;
    let headers: Headers;
    let body: string;
    try {
      const response = await fetch(this.address, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        },
        body: JSON.stringify({ model, messages, temperature, max_tokens: maxTokens }),
        signal: AbortSignal.any([signal, clock]),
      });
      ({ status, headers } = response);
      body = this.blotted(await readBounded(response, MAX_RESPONSE_BYTES));
    } catch (error) {
      if (signal.aborted || error instanceof JudgeFailure) throw error;
      if (clock.aborted) throw new PassingFailure(`no answer within ${timeoutMs / 1000} s`);
      throw new PassingFailure(this.blotted(causeOf(error)));
    }
    if (status === 200) return textOf(body);
    throw this.failure(status, headers, body);
  }

  private failure(status: number, headers: Headers, body: string): Error {
    const found = `HTTP ${status}${body === '' ? '' : `: ${body.slice(0, SHOWN)}`}`;
    const file = this.address.href;
    if (status >= 300 && status < 400) {
      return new InputError('judge-redirects', 'the endpoint redirects to another address', {
        file,
        found: this.blotted(headers.get('location') ?? `HTTP ${status}`),
        hint: 'redirects are not followed; give that address as --judge-url if you trust it',
      });
    }
    if (status === 401 || status === 403) {
      return new InputError('judge-key', 'the endpoint does not accept the key', {
        file,
        found,
        hint: 'put the right key into the environment variable named by --judge-key-env',
      });
    }
    if (status === 404 || status === 405) {
      return new InputError('judge-not-found', 'there is no chat endpoint or no such model at this address', {
        file,
        found,
        hint: 'check --judge-url (it ends with /v1 mostly) and --judge-model',
      });
    }
    if (PASSING.has(status) || status >= 500 || status < 200) {
      return new PassingFailure(found, retryAfter(headers.get('retry-after'), Date.now()));
    }
    return new JudgeFailure(found);
  }

  private blotted(text: string): string {
    const { key } = this.options;
    return key === undefined ? text : text.replaceAll(key, '[key]');
  }
}

/** The key without blanks around it; undefined for none. A header takes visible ASCII characters only. */
function sendableKey(key: string | undefined): string | undefined {
  const bare = key?.trim();
  if (bare === undefined || bare === '') return undefined;
  if (/^[\x21-\x7e]+$/.test(bare)) return bare;
  throw new InputError('judge-key', 'the key has characters that cannot be sent', {
    expected: 'visible ASCII characters',
    hint: 'put the right key into the environment variable named by --judge-key-env',
  });
}

function addressOf(url: string): URL {
  const refuse = (found: string, expected: string) =>
    new InputError('judge-url', 'the address of the judge cannot be used', {
      field: '--judge-url',
      found,
      expected,
    });
  let address: URL;
  try {
    address = new URL(url);
  } catch {
    throw refuse('no URL', 'an address such as http://localhost:8000/v1');
  }
  if (address.protocol !== 'http:' && address.protocol !== 'https:') {
    throw refuse(address.protocol, 'http: or https:');
  }
  if (address.username !== '' || address.password !== '' || address.search !== '' || address.hash !== '') {
    throw refuse(
      'a name, a password or a query in it',
      'a bare address; a key goes into an environment variable',
    );
  }
  const path = address.pathname.replace(/\/+$/, '');
  address.pathname = path.endsWith('/chat/completions') ? path : `${path}/chat/completions`;
  return address;
}

/** @throws PassingFailure for what is no chat completion. */
function textOf(body: string): string {
  let value: unknown;
  try {
    value = parseShallowJson(body);
  } catch {
    throw new PassingFailure(`an answer that is not JSON: ${body.slice(0, SHOWN)}`);
  }
  const choices = (value as { choices?: unknown } | null)?.choices;
  const message = Array.isArray(choices) ? (choices[0] as { message?: unknown } | null)?.message : undefined;
  const content = (message as { content?: unknown } | null | undefined)?.content;
  if (typeof content === 'string') return content;
  // A judge that only refused or only thought: a text without a verdict.
  if (content === null) return '';
  throw new PassingFailure(`an answer without choices[0].message.content: ${body.slice(0, SHOWN)}`);
}

/** `fetch failed` says nothing; what it was caused by does. */
function causeOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message ?? String(error);
}

/**
 * A judge behind an OpenAI-compatible endpoint (`POST …/chat/completions`). What passes by itself (no connection, a stalled or cut
 * answer, 408, 425, 429, 5xx, an answer that is not JSON) is asked again. The key is sent to the given address alone: redirects
 * are not followed, and wherever the server repeats the key it is blotted out.
 */
import {
  BodyTooLarge,
  HttpClient,
  InputError,
  TransientFailure,
  bareAddress,
  describeStatus,
  parseShallowJson,
  pause,
  retryDelay,
  sendableKey,
  transientStatus,
  type HttpAnswer,
} from '@selective-dpo/foundation';
import { JudgeFailure, type Judge, type JudgeRequest } from './judge.js';

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
const SHOWN = 200;
const KEY_HINT = 'put the right key into the environment variable named by --judge-key-env';

export class ChatEndpoint implements Judge {
  readonly name: string;
  /** Calls that were made again so far. */
  repeated = 0;
  private readonly address: URL;
  private readonly client: HttpClient;
  private readonly options: Required<Omit<ChatEndpointOptions, 'key' | 'url'>>;

  /** @throws InputError `judge-url`, `judge-key`. */
  constructor({ url, key, ...options }: ChatEndpointOptions) {
    this.address = addressOf(url);
    this.name = options.model;
    const defaults = { temperature: 0, maxTokens: 2048, timeoutMs: 120_000, retries: 6, wait: pause };
    this.options = { ...defaults, ...options };
    this.client = new HttpClient(sendableKey(key, 'judge-key', KEY_HINT));
  }

  /** Whether a key would cross the network unencrypted. */
  get sendsKeyInClear(): boolean {
    return this.client.sendsKeyInClear(this.address);
  }

  async ask({ messages }: JudgeRequest, signal: AbortSignal): Promise<string> {
    const { retries, wait } = this.options;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.call(messages, signal);
      } catch (error) {
        if (!(error instanceof TransientFailure)) throw error;
        if (attempt >= retries) {
          throw new JudgeFailure(`${error.message}; ${attempt + 1} calls`);
        }
        this.repeated++;
        await wait(retryDelay(attempt, error.askedMs, Math.random()), signal);
      }
    }
  }

  private async call(messages: JudgeRequest['messages'], signal: AbortSignal): Promise<string> {
    const { model, temperature, maxTokens, timeoutMs } = this.options;
    const body = { model, messages, temperature, max_tokens: maxTokens };
    let answer: HttpAnswer;
    try {
      answer = await this.client.send(this.address, {
        ...{ body, timeoutMs, maxBytes: MAX_RESPONSE_BYTES, signal },
      });
    } catch (error) {
      throw error instanceof BodyTooLarge ? new JudgeFailure(error.message) : error;
    }
    if (answer.status === 200) return textOf(answer.body);
    throw this.failure(answer);
  }

  private failure(answer: HttpAnswer): Error {
    const { status } = answer;
    const found = describeStatus(answer);
    const file = this.address.href;
    const redirect = this.client.redirectOf(answer);
    if (redirect !== undefined) {
      return new InputError('judge-redirects', 'the endpoint redirects to another address', {
        file,
        found: redirect,
        hint: 'redirects are not followed; give that address as --judge-url if you trust it',
      });
    }
    if (status === 401 || status === 403) {
      return new InputError('judge-key', 'the endpoint does not accept the key', {
        file,
        found,
        hint: KEY_HINT,
      });
    }
    if (status === 404 || status === 405) {
      return new InputError('judge-not-found', 'there is no chat endpoint or no such model at this address', {
        file,
        found,
        hint: 'check --judge-url (it ends with /v1 mostly) and --judge-model',
      });
    }
    return transientStatus(answer) ?? new JudgeFailure(found);
  }
}

function addressOf(url: string): URL {
  const address = bareAddress(url, { code: 'judge-url', what: 'the judge', field: '--judge-url' });
  const { pathname } = address;
  address.pathname = pathname.endsWith('/chat/completions') ? pathname : `${pathname}/chat/completions`;
  return address;
}

/** @throws TransientFailure for what is no chat completion. */
function textOf(body: string): string {
  let value: unknown;
  try {
    value = parseShallowJson(body);
  } catch {
    throw new TransientFailure(`an answer that is not JSON: ${body.slice(0, SHOWN)}`, 'answer');
  }
  const choices = (value as { choices?: unknown } | null)?.choices;
  const message = Array.isArray(choices) ? (choices[0] as { message?: unknown } | null)?.message : undefined;
  const content = (message as { content?: unknown } | null | undefined)?.content;
  if (typeof content === 'string') return content;
  // A judge that only refused or only thought: a text without a verdict.
  if (content === null) return '';
  throw new TransientFailure(
    `an answer without choices[0].message.content: ${body.slice(0, SHOWN)}`,
    'answer',
  );
}

/**
 * One exchange with a server that nobody has checked: bounded in time and bytes, no redirect followed, the key sent to the
 * address asked for alone and blotted out of whatever comes back.
 */
import { IdleLimit, piecesOf } from './answer-stream.js';
import { BodyTooLarge, readBounded } from './bounded-body.js';
import { retryAfter } from './retry-delay.js';
import { InputError } from '../errors.js';

export interface HttpCall {
  /** JSON to POST; without it the call is a GET. */
  body?: unknown;
  /** Time from the start to the last byte. */
  timeoutMs: number;
  /** Longest body that is read. */
  maxBytes: number;
  signal: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  headers: Headers;
  body: string;
}

/** A GET whose answer is read as it comes. */
export interface StreamCall {
  /** The longest wait for the headers, and for each piece behind them. */
  idleMs: number;
  signal: AbortSignal;
  /** First byte that is wanted (RFC 9110, 14.2); 0 for all. A server may give all the same: look at status and headers. */
  from: number;
}

export interface StreamedAnswer {
  status: number;
  headers: Headers;
  /**
   * The body; leaving it early ends the connection.
   * @throws TransientFailure where it breaks off or nothing comes for long; the signal's reason once it is aborted.
   */
  pieces: AsyncGenerator<Uint8Array, void>;
  /** Ends the connection where the body is of no interest. */
  abandon(): void;
}

/** The call failed, and may succeed when it is made again. */
export class TransientFailure extends Error {
  override readonly name = 'TransientFailure';

  /**
   * @param kind `connection`: refused, reset or cut; `timeout`; `overload`: 429 or 503; `answer`: anything else that passes.
   * @param askedMs what the header Retry-After asks for.
   */
  constructor(
    message: string,
    readonly kind: 'connection' | 'timeout' | 'overload' | 'answer',
    readonly askedMs?: number,
  ) {
    super(message);
  }
}

const LOCAL = ['localhost', '127.0.0.1', '[::1]'];
const PASSING = new Set([408, 425, 429]);
const OVERLOAD = new Set([429, 503]);
const SHOWN = 200;

export class HttpClient {
  /** @param key sent as a bearer token; see {@link sendableKey}. */
  constructor(private readonly key: string | undefined) {}

  /** Whether the key would cross the network unencrypted. */
  sendsKeyInClear({ protocol, hostname }: URL): boolean {
    return this.key !== undefined && protocol === 'http:' && !LOCAL.includes(hostname);
  }

  /**
   * Sends one request. Every status is an answer, redirects included.
   * @throws TransientFailure without a whole answer; BodyTooLarge; the signal's reason once it is aborted.
   */
  async send(address: URL, { body, timeoutMs, maxBytes, signal }: HttpCall): Promise<HttpAnswer> {
    const clock = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(address, {
        method: body === undefined ? 'GET' : 'POST',
        redirect: 'manual',
        headers: {
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...this.authorization(),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.any([signal, clock]),
      });
      const { status, headers } = response;
      return { status, headers, body: this.blotted(await readBounded(response, maxBytes)) };
    } catch (error) {
      if (signal.aborted || error instanceof BodyTooLarge) throw error;
      if (clock.aborted) throw new TransientFailure(`no answer within ${timeoutMs / 1000} s`, 'timeout');
      throw new TransientFailure(this.blotted(causeOf(error)), 'connection');
    }
  }

  /**
   * Sends a GET and leaves the body to the caller. Every status is an answer, redirects included. The body is asked for without
   * compression, so that lengths and ranges count bytes of the file.
   * @throws TransientFailure without headers; the signal's reason once it is aborted.
   */
  async stream(address: URL, { idleMs, signal, from }: StreamCall): Promise<StreamedAnswer> {
    const idle = new IdleLimit(idleMs);
    const explained = (error: unknown): unknown => {
      if (signal.aborted) return signal.reason;
      if (idle.signal.aborted) return new TransientFailure(`nothing came for ${idleMs / 1000} s`, 'timeout');
      return new TransientFailure(this.blotted(causeOf(error)), 'connection');
    };
    try {
      idle.start();
      const { status, headers, body } = await fetch(address, {
        redirect: 'manual',
        headers: {
          accept: '*/*',
          // A range brings the other header along (Fetch standard, HTTP-network-or-cache fetch).
          ...(from === 0 ? { 'accept-encoding': 'identity' } : { range: `bytes=${from}-` }),
          ...this.authorization(),
        },
        signal: AbortSignal.any([signal, idle.signal]),
      });
      idle.stop();
      return { status, headers, pieces: piecesOf(body, idle, explained), abandon: () => idle.abandon() };
    } catch (error) {
      idle.stop();
      throw explained(error);
    }
  }

  private authorization(): Record<string, string> {
    return this.key === undefined ? {} : { authorization: `Bearer ${this.key}` };
  }

  /** A text without the key. */
  blotted(text: string): string {
    return this.key === undefined ? text : text.replaceAll(this.key, '[key]');
  }

  /** Where a redirect leads, as it may be shown. */
  redirectOf({ status, headers }: HttpAnswer): string | undefined {
    if (status < 300 || status >= 400) return undefined;
    return this.blotted(headers.get('location') ?? `HTTP ${status}`);
  }
}

/** The failure that a status stands for where the same call may succeed later; undefined for all others. */
export function transientStatus(answer: HttpAnswer): TransientFailure | undefined {
  const { status, headers } = answer;
  if (!PASSING.has(status) && status < 500 && status >= 200) return undefined;
  return new TransientFailure(
    describeStatus(answer),
    OVERLOAD.has(status) ? 'overload' : 'answer',
    retryAfter(headers.get('retry-after'), Date.now()),
  );
}

/** `HTTP 500: …` with the beginning of what the server says. */
export function describeStatus({ status, body }: HttpAnswer): string {
  return `HTTP ${status}${body === '' ? '' : `: ${body.slice(0, SHOWN)}`}`;
}

/** What an option that holds an address or a key is called in errors. */
export interface EndpointNames {
  /** Code of the error. */
  code: string;
  /** `the judge`, … */
  what: string;
  /** The option. */
  field: string;
}

/** An address without name, password, query or fragment. @throws InputError of the given code. */
export function bareAddress(url: string, { code, what, field }: EndpointNames): URL {
  const refuse = (found: string, expected: string) =>
    new InputError(code, `the address of ${what} cannot be used`, { field, found, expected });
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
  address.pathname = address.pathname.replace(/\/+$/, '');
  return address;
}

/**
 * The key without blanks around it; undefined for none. A header takes visible ASCII characters only.
 * @param hint where the key comes from.
 * @throws InputError of the given code.
 */
export function sendableKey(key: string | undefined, code: string, hint: string): string | undefined {
  const bare = key?.trim();
  if (bare === undefined || bare === '') return undefined;
  if (/^[\x21-\x7e]+$/.test(bare)) return bare;
  throw new InputError(code, 'the key has characters that cannot be sent', {
    expected: 'visible ASCII characters',
    hint,
  });
}

/** `fetch failed` says nothing; what it was caused by does. */
function causeOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message ?? String(error);
}

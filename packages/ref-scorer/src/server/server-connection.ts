/** One server's address: JSON in, JSON out, and an error that says what to do for everything else. */
import {
  BodyTooLarge,
  InputError,
  TransientFailure,
  bareAddress,
  describeStatus,
  parseShallowJson,
  transientStatus,
  type HttpAnswer,
  type HttpCall,
  type HttpClient,
} from '@selective-dpo/foundation';
import { SERVER_KEY_VARIABLE } from './server-options.js';

/** What is asked for beside scores fits well into this. */
const SMALL_BYTES = 4 << 20;
const SMALL_TIMEOUT_MS = 30_000;
const SHOWN = 200;
/** Python's JSON writes numbers that are none. */
const NO_NUMBER = /[:,[]\s*(-?Infinity|NaN)\s*[,}\]]/;

export const KEY_HINT = `put the right key into the environment variable ${SERVER_KEY_VARIABLE}`;

type Call = Partial<Omit<HttpCall, 'signal'>> & Pick<HttpCall, 'signal'>;

export class ServerConnection {
  private readonly base: URL;

  /** @throws InputError `server-url`. */
  constructor(
    url: string,
    private readonly client: HttpClient,
  ) {
    this.base = bareAddress(url, { code: 'server-url', what: 'the server', field: '--url' });
    this.base.pathname = this.base.pathname.replace(/\/v1$/, '');
  }

  /** The address as it is shown. */
  get name(): string {
    return this.base.href.replace(/\/$/, '');
  }

  get sendsKeyInClear(): boolean {
    return this.client.sendsKeyInClear(this.base);
  }

  /** JSON of a call that must succeed. @throws InputError `server-refuses`, …; TransientFailure. */
  async json(path: string, call: Call): Promise<unknown> {
    const answer = await this.send(path, call);
    if (answer.status === 200) return this.parsed(answer.body);
    throw new InputError('server-refuses', 'the server refuses a request', {
      file: this.addressOf(path).href,
      found: describeStatus(answer),
      expected: 'HTTP 200',
      hint: 'its own log says more; check --scorer, --url and --served-model',
    });
  }

  /** What a GET says, whatever it is; `value` is undefined unless it is JSON with status 200. */
  async look(path: string, signal: AbortSignal): Promise<{ value: unknown; server: string }> {
    const { status, headers, body } = await this.send(path, { signal });
    let value: unknown;
    if (status === 200) {
      try {
        value = parseShallowJson(body);
      } catch {
        value = undefined;
      }
    }
    return { value, server: headers.get('server') ?? '' };
  }

  /** JSON of a POST that a server need not know: undefined where it is refused. */
  async optional(path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const answer = await this.send(path, { body, signal });
    return answer.status === 200 ? this.parsed(answer.body) : undefined;
  }

  private addressOf(path: string): URL {
    const address = new URL(this.base);
    address.pathname = `${address.pathname.replace(/\/$/, '')}${path}`;
    return address;
  }

  private async send(path: string, { body, timeoutMs, maxBytes, signal }: Call): Promise<HttpAnswer> {
    const address = this.addressOf(path);
    const file = address.href;
    let answer: HttpAnswer;
    try {
      answer = await this.client.send(address, {
        ...(body === undefined ? {} : { body }),
        ...{ timeoutMs: timeoutMs ?? SMALL_TIMEOUT_MS, maxBytes: maxBytes ?? SMALL_BYTES, signal },
      });
    } catch (error) {
      if (!(error instanceof BodyTooLarge)) throw error;
      throw new InputError('server-answer-invalid', 'the server answers with more than it was asked for', {
        file,
        found: error.message,
      });
    }
    this.refuseRedirect(answer, file);
    if (answer.status === 401 || answer.status === 403) {
      throw new InputError('server-key', 'the server does not accept the key', {
        file,
        found: describeStatus(answer),
        hint: KEY_HINT,
      });
    }
    const transient = transientStatus(answer);
    // What a server does not know may be answered by 501; asking again does not help.
    if (transient !== undefined && answer.status !== 501) throw transient;
    return answer;
  }

  private refuseRedirect(answer: HttpAnswer, file: string): void {
    const redirect = this.client.redirectOf(answer);
    if (redirect === undefined) return;
    throw new InputError('server-redirects', 'the server redirects to another address', {
      file,
      found: redirect,
      hint: 'redirects are not followed; give that address as --url if you trust it',
    });
  }

  private parsed(body: string): unknown {
    try {
      return parseShallowJson(body);
    } catch {
      const number = NO_NUMBER.exec(body)?.[1];
      if (number === undefined) {
        throw new TransientFailure(`an answer that is not JSON: ${body.slice(0, SHOWN)}`, 'answer');
      }
      throw new InputError('reference-not-finite', 'the reference gives log-probs that are no numbers', {
        file: this.name,
        found: number,
        expected: 'finite log-probs',
        hint: 'the served weights are damaged or overflow: check them, or serve with another --dtype',
      });
    }
  }
}

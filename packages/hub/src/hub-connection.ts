/** The way to the hub: the token goes to the endpoint alone, answers are bounded, what passes is asked for again. */
import {
  BodyTooLarge,
  HttpClient,
  InputError,
  TransientFailure,
  parseShallowJson,
  pause,
  quoteValue,
  retryDelay,
  transientStatus,
  type HttpAnswer,
  type ProgressListener,
  type StreamedAnswer,
} from '@selective-dpo/foundation';
import { refusal, unreachable, type Asked } from './hub-errors.js';
import type { HubSettings } from './hub-settings.js';
import type { ModelName } from './model-name.js';

/** A page of a listing has at most 1,000 files; a model's description may hold long tables. */
const MAX_ANSWER_BYTES = 32 << 20;
const ANSWER_TIMEOUT_MS = 20_000;
const MAX_REDIRECTS = 5;
/** Failures in a row after which the hub counts as unreachable: somebody waits who may have no network. */
const ANSWER_FAILURES = 3;

/** Shorter waits are not worth a line. */
const TOLD_WAIT_MS = 3_000;

export interface ConnectionOptions {
  signal: AbortSignal;
  listener?: ProgressListener | undefined;
  /** In [0, 1), for the time between two attempts. */
  random?: (() => number) | undefined;
}

/** How long something is tried. */
export interface Persistence {
  attempts: number;
  explain(asked: Asked, found: string): InputError;
  /** What grows as long as there is a point in going on. */
  progress?: () => number;
}

export class HubConnection {
  private readonly client: HttpClient;
  private readonly bare = new HttpClient(undefined);
  readonly asked: Asked;

  /** @param given the name as the user wrote it. */
  constructor(
    private readonly settings: HubSettings,
    name: ModelName,
    given: string,
    private readonly options: ConnectionOptions,
  ) {
    const { endpoint, token } = settings;
    this.client = new HttpClient(token);
    const blotted = (text: string): string => this.client.blotted(text);
    this.asked = { ...name, name: given, endpoint, withToken: token !== undefined, blotted };
  }

  get signal(): AbortSignal {
    return this.options.signal;
  }

  /** A token over a connection that anyone between can read is the user's choice, but one to know of. */
  tellOfKeyInClear(): void {
    const { endpoint } = this.settings;
    if (!this.client.sendsKeyInClear(endpoint)) return;
    const message = `the token is sent to ${endpoint.host} unencrypted: use https, or HF_HUB_DISABLE_IMPLICIT_TOKEN=1`;
    this.options.listener?.({ type: 'notice', code: 'token-in-clear', message });
  }

  /**
   * `fetch` for the hub's library: GETs within the endpoint, redirects of renamed models followed there. Headers given are not
   * sent, since the token is ours to send.
   * @throws InputError of {@link refusal} for every status but success; `hub-redirect`; HubUnreachable; SyntaxError for what is no
   *   JSON, or nested too deeply.
   */
  readonly fetch = async (input: string | URL | Request): Promise<Response> => {
    const address = new URL(input instanceof Request ? input.url : input);
    const { status, headers, body } = await this.retried(() => this.answer(address), {
      ...{ attempts: ANSWER_FAILURES, explain: unreachable },
    });
    parseShallowJson(body);
    return new Response(body, { status, headers });
  };

  /**
   * Opens a file from a byte on. Redirects are followed anywhere, since the file's digest is known; the token stays here.
   * @throws TransientFailure; InputError of {@link refusal} where the endpoint refuses, `hub-redirect`.
   */
  async open(path: string, from: number): Promise<StreamedAnswer> {
    let address = this.addressOf(path);
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const own = address.origin === this.settings.endpoint.origin;
      const call = { idleMs: this.settings.idleMs, signal: this.signal, from };
      const answer = await (own ? this.client : this.bare).stream(address, call);
      const { status, headers } = answer;
      if (status === 200 || status === 206 || status === 416) return answer;
      answer.abandon();
      const bare = { status, headers, body: '' };
      const location = this.client.redirectOf(bare);
      if (location !== undefined) address = this.redirected(headers.get('location'), address);
      // A link to a store may have run out; the next attempt gets a new one.
      else throw transientStatus(bare) ?? (own ? refusal(bare, this.asked) : failed(status));
    }
    throw this.badRedirect(`more than ${MAX_REDIRECTS} redirects`);
  }

  /**
   * Does something until it succeeds, or has failed `attempts` times without any `progress` between.
   * @param explain what the last failure comes to.
   * @throws what `explain` gives; what else `work` throws.
   */
  async retried<T>(work: () => Promise<T>, how: Persistence): Promise<T> {
    const { attempts, explain, progress = () => 0 } = how;
    let failures = 0;
    for (;;) {
      const before = progress();
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof TransientFailure)) throw error;
        failures = progress() > before ? 1 : failures + 1;
        if (failures >= attempts) throw explain(this.asked, error.message);
        const delay = retryDelay(failures - 1, error.askedMs, (this.options.random ?? Math.random)());
        this.tellOfWait(error.message, delay);
        await pause(delay, this.signal);
      }
    }
  }

  private tellOfWait(why: string, ms: number): void {
    if (ms < TOLD_WAIT_MS) return;
    // eslint-disable-next-line no-control-regex
    const said = why.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
    const message = `${this.settings.endpoint.host}: ${said}; asking again in ${Math.round(ms / 1000)} s`;
    this.options.listener?.({ type: 'notice', code: 'hub-waits', message });
  }

  private addressOf(path: string): URL {
    const address = new URL(this.settings.endpoint);
    address.pathname = `${address.pathname.replace(/\/$/, '')}/${path}`;
    return address;
  }

  private async answer(address: URL): Promise<HttpAnswer> {
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      if (address.origin !== this.settings.endpoint.origin) throw this.badRedirect(address.origin);
      const answer = await this.bounded(address);
      if (this.client.redirectOf(answer) !== undefined) {
        address = this.redirected(answer.headers.get('location'), address);
        continue;
      }
      const transient = transientStatus(answer);
      if (transient !== undefined) throw transient;
      if (answer.status !== 200) throw refusal(answer, this.asked);
      return answer;
    }
    throw this.badRedirect(`more than ${MAX_REDIRECTS} redirects`);
  }

  private async bounded(address: URL): Promise<HttpAnswer> {
    const call = { timeoutMs: ANSWER_TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES, signal: this.signal };
    try {
      return await this.client.send(address, call);
    } catch (error) {
      if (!(error instanceof BodyTooLarge)) throw error;
      throw new InputError('hub-listing', 'the hub answers with more than it was asked for', {
        ...{ file: this.asked.name, found: error.message },
      });
    }
  }

  /** Where a redirect leads; never from an encrypted connection to one that is not. */
  private redirected(location: string | null, from: URL): URL {
    let to: URL | undefined;
    try {
      to = new URL(location ?? '', from);
    } catch {
      to = undefined;
    }
    if (location !== null && to !== undefined && (to.protocol === 'https:' || to.protocol === from.protocol))
      return to;
    throw this.badRedirect(quoteValue(to?.origin ?? location));
  }

  private badRedirect(found: string): InputError {
    return new InputError('hub-redirect', 'the hub redirects to where it cannot be followed', {
      file: this.asked.name,
      found: this.client.blotted(found),
      hint: 'see that HF_ENDPOINT is the address that the hub has now',
    });
  }
}

function failed(status: number): TransientFailure {
  return new TransientFailure(`HTTP ${status} from the store of the file`, 'answer');
}

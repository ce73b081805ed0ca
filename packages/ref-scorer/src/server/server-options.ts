/** How a server that runs the reference is asked. None of this but the kind and the model's name can change a value. */
import { pause } from '@selective-dpo/foundation';

export const SERVER_KINDS = ['vllm', 'sglang'] as const;
export type ServerKind = (typeof SERVER_KINDS)[number];

/** Environment variable with the key. */
export const SERVER_KEY_VARIABLE = 'SELECTIVE_DPO_API_KEY';

/** Requests to one server at one time, at most. */
export const DEFAULT_CONCURRENCY = 64;

/** Time without any server's answer after which a pass ends. */
export const DEFAULT_PATIENCE_MS = 600_000;

export interface ServerOptions {
  kind: ServerKind;
  /** Base addresses, with or without `/v1`; several are replicas of one model. */
  urls: readonly string[];
  /** Name of the model where a server offers several. */
  servedModel?: string | undefined;
  /** Sent as a bearer token; never written anywhere. */
  key?: string | undefined;
  /** Most requests at one time, a URL. */
  concurrency?: number | undefined;
  /** Milliseconds without any answer after which the pass ends. */
  patienceMs?: number | undefined;
  /** Replaced in tests. */
  timing?: Partial<Timing> | undefined;
}

/** Clocks and chance. */
export interface Timing {
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** In [0, 1). */
  random(): number;
  /** Milliseconds that a request of so many tokens may take. */
  timeoutMs(tokens: number): number;
}

const BASE_TIMEOUT_MS = 60_000;
const TIMEOUT_MS_A_TOKEN = 20;
/** Node's fetch itself gives up after 300 s without headers. */
const LONGEST_TIMEOUT_MS = 280_000;

export const REAL_TIMING: Timing = {
  now: () => performance.now(),
  wait: pause,
  random: Math.random,
  timeoutMs: (tokens) => Math.min(BASE_TIMEOUT_MS + TIMEOUT_MS_A_TOKEN * tokens, LONGEST_TIMEOUT_MS),
};

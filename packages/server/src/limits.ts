/** What a server takes on. */
export interface ServerLimits {
  /** Bytes of a request's body. */
  maxBodyBytes: number;
  /** Requests at work or waiting; beyond it the answer is 429. */
  maxRequests: number;
  /** Open connections. */
  maxConnections: number;
  /** Prompts of one request, and answers to each, together. */
  maxChoices: number;
  /** Most likely tokens that may be asked for at each place. */
  maxLogprobs: number;
  /** Milliseconds until a request's headers, and all of it, have to be there. */
  headersTimeoutMs: number;
  requestTimeoutMs: number;
  /** Milliseconds that a client may take no byte of a finished answer. */
  readTimeoutMs: number;
  /** Milliseconds that requests at work may go on once the server is told to close. */
  closeGraceMs: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  maxBodyBytes: 8 << 20,
  maxRequests: 64,
  maxConnections: 256,
  maxChoices: 128,
  maxLogprobs: 20,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  readTimeoutMs: 60_000,
  closeGraceMs: 10_000,
};

/** Texts that end an answer, of one request, and the longest of them in characters. */
export const MAX_STOPS = 16;
export const MAX_STOP_LENGTH = 256;

/**
 * Characters of a prompt for every token of the model's context (no tokens are longer on average), and of all prompts of a request:
 * tokenising takes up to 8 s for a million characters of one word, and nothing else runs meanwhile.
 */
export const MAX_CHARACTERS_A_TOKEN = 32;
export const MAX_CHARACTERS = 1 << 20;

/** Seconds after which a client that found the queue full may ask again. */
export const RETRY_AFTER_SECONDS = 2;

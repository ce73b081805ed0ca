/** How long to wait before asking an endpoint again. */

const FIRST_MS = 500;
const LONGEST_MS = 60_000;
/** A server may ask for any time; more than this is not waited for in one go. */
const LONGEST_ASKED_MS = 300_000;

/**
 * Exponential back-off with full jitter, at least what the server asked for.
 * @param attempt 0 for the first repetition.
 * @param askedMs of the header Retry-After.
 * @param random in [0, 1).
 */
export function retryDelay(attempt: number, askedMs: number | undefined, random: number): number {
  const backOff = random * Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt);
  return Math.max(backOff, Math.min(askedMs ?? 0, LONGEST_ASKED_MS));
}

/**
 * Milliseconds that the header Retry-After asks for (RFC 9110, 10.2.3): seconds or a date. undefined for anything else.
 * @param now milliseconds since 1970.
 */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) || !/[a-z]/i.test(header) ? undefined : Math.max(0, date - now);
}

/** Waits; ends at once when `signal` is aborted. @throws the signal's reason. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

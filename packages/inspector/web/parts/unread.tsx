/** Lines of metrics that are in no figure. */
import { shownCount } from './facts.js';

/** @param of whose metrics they are, where these are of several runs. */
export function Unread({ lines, of = '' }: { lines: number; of?: string }) {
  if (lines === 0) return null;
  return (
    <p class="notice" role="note">
      {lines === 1 ? '1 line' : `${shownCount(lines)} lines`} of the metrics{of} could not be read; the curves
      go on without.
    </p>
  );
}

/** The account of rows that gave no pair: counts in memory, the rows themselves in a JSON Lines file. */
import type { FileHandle } from 'node:fs/promises';
import { publishFile } from '@selective-dpo/foundation';
import type { DroppedRow, DropReason } from '../rows/preference-row.js';

/** Longest detail written: a chat template's own words may be of any length. */
const MAX_DETAIL_LENGTH = 1000;

const FLUSH_LENGTH = 1 << 16;

/**
 * Counts dropped rows by reason. Made by {@link DropLedger.publish} it also writes each as a line
 * `{"row", "reason", "detail"}`; memory does not grow with their number either way.
 */
export class DropLedger {
  private readonly byReason = new Map<DropReason, number>();
  private pending = '';

  constructor(private readonly handle?: FileHandle) {}

  /**
   * Runs `body` with a ledger that writes to `path`; the file appears when `body` has succeeded.
   * @throws whatever `body` throws; InputError `disk-full`, `no-permission`, … for the file.
   */
  static async publish<T>(path: string, body: (ledger: DropLedger) => Promise<T>): Promise<T> {
    let result: { value: T } | undefined;
    await publishFile(path, async (handle) => {
      const ledger = new DropLedger(handle);
      result = { value: await body(ledger) };
      await ledger.flush();
    });
    return result!.value;
  }

  /** Number of dropped rows. */
  get total(): number {
    let sum = 0;
    for (const count of this.byReason.values()) sum += count;
    return sum;
  }

  /** Counts of the reasons that occurred. */
  counts(): Partial<Record<DropReason, number>> {
    return Object.fromEntries([...this.byReason].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async add({ row, reason, detail }: DroppedRow): Promise<void> {
    this.byReason.set(reason, (this.byReason.get(reason) ?? 0) + 1);
    if (this.handle === undefined) return;
    this.pending += `${JSON.stringify({ row, reason, detail: shortened(detail) })}\n`;
    if (this.pending.length >= FLUSH_LENGTH) await this.flush();
  }

  private async flush(): Promise<void> {
    const text = this.pending;
    this.pending = '';
    if (text !== '') await this.handle?.appendFile(text);
  }
}

function shortened(detail: string): string {
  return detail.length > MAX_DETAIL_LENGTH ? `${detail.slice(0, MAX_DETAIL_LENGTH)}…` : detail;
}

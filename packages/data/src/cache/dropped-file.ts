/** `dropped.jsonl`, the rows that gave no pair, one JSON object a line: its counts must be those of the manifest. */
import { canonicalJson, InputError, parseShallowJson, quoteValue } from '@selective-dpo/foundation';
import { z } from 'zod';
import { jsonLines } from '../rows/json-lines.js';
import { damagedCache } from './manifest.js';

/** Longest line: the longest detail a ledger writes takes a few KiB. */
const MAX_LINE_BYTES = 1 << 20;

const lineSchema = z.object({ row: z.int().min(0), reason: z.string() });

/**
 * Reads the list line by line, up to the first that the counts have no room for, and compares. Memory: one line.
 * @throws InputError `cache-damaged` where they differ or a line is not of the list's form.
 */
export async function refuseOtherCounts(file: string, counts: Record<string, number>): Promise<void> {
  const wanted = new Map(Object.entries(counts));
  const found = new Map<string, number>();
  try {
    for await (const { text, line } of jsonLines(file, false, MAX_LINE_BYTES)) {
      const reason = reasonOf(text);
      if (reason === undefined) throw damagedCache(`${file}:${line}`, 'another line', '{"row", "reason", …}');
      const count = (found.get(reason) ?? 0) + 1;
      if (count > (wanted.get(reason) ?? 0)) {
        throw damagedCache(
          `${file}:${line}`,
          `row ${count} of reason ${quoteValue(reason)}`,
          canonicalJson(counts),
        );
      }
      found.set(reason, count);
    }
  } catch (error) {
    if (!(error instanceof InputError && LINE_PROBLEMS.includes(error.code))) throw error;
    throw damagedCache(`${file}:${error.details.line}`, error.message, '{"row", "reason", …}');
  }
  const counted = canonicalJson(Object.fromEntries(found));
  if (counted === canonicalJson(counts)) return;
  throw damagedCache(file, `dropped rows ${counted}`, canonicalJson(counts));
}

/** Codes of {@link jsonLines} that are about one line, and speak of a preference file. */
const LINE_PROBLEMS = ['row-too-long', 'not-utf8', 'json-broken'];

function reasonOf(text: string): string | undefined {
  try {
    return lineSchema.parse(parseShallowJson(text)).reason;
  } catch {
    return undefined;
  }
}

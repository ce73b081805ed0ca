/** `dropped.jsonl`, the rows that gave no pair, one JSON object a line: its counts must be those of the manifest. */
import { open } from 'node:fs/promises';
import { canonicalJson, explainSystemError } from '@selective-dpo/foundation';
import { z } from 'zod';
import { damagedCache } from './manifest.js';

const lineSchema = z.object({ row: z.int().min(0), reason: z.string() });

/**
 * Reads the list line by line and compares its counts.
 * @throws InputError `cache-damaged` where they differ or a line is not of the list's form.
 */
export async function refuseOtherCounts(file: string, counts: Record<string, number>): Promise<void> {
  const found = await countDropped(file);
  if (canonicalJson(found) === canonicalJson(counts)) return;
  throw damagedCache(file, `dropped rows ${canonicalJson(found)}`, canonicalJson(counts));
}

async function countDropped(file: string): Promise<Record<string, number>> {
  const counts = new Map<string, number>();
  let line = 0;
  try {
    const handle = await open(file, 'r');
    try {
      for await (const text of handle.readLines()) {
        line++;
        const reason = reasonOf(text);
        if (reason === undefined)
          throw damagedCache(`${file}:${line}`, 'another line', '{"row", "reason", …}');
        counts.set(reason, (counts.get(reason) ?? 0) + 1);
      }
    } finally {
      await handle.close().catch(() => undefined);
    }
  } catch (error) {
    throw explainSystemError(error, file);
  }
  return Object.fromEntries(counts);
}

function reasonOf(text: string): string | undefined {
  try {
    return lineSchema.parse(JSON.parse(text)).reason;
  } catch {
    return undefined;
  }
}

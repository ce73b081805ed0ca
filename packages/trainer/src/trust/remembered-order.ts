/**
 * How many pairs of a large cache its reference orders, kept in the user's cache folder by the digest of the cache's manifest: the runs of a
 * sweep need not read all of it for a number that is the same every time.
 */
import { join } from 'node:path';
import {
  makeFolder,
  parseShallowJson,
  publishBytes,
  readRegularFile,
  userCacheFolder,
} from '@selective-dpo/foundation';
import type { CacheManifest } from '@selective-dpo/data';
import { z } from 'zod';

/** Another one where `ordered` is counted otherwise. */
const VERSION = 1;
const MAX_BYTES = 4096;

export interface ReferenceOrder {
  /** Of the whole cache. */
  pairs: number;
  /** Pairs whose chosen response has the higher summed log-prob under the reference. */
  ordered: number;
}

const orderSchema = z.strictObject({
  version: z.literal(VERSION),
  cache: z.string(),
  pairs: z.int().min(1),
  ordered: z.int().min(0),
});

/** What a run on this cache has counted before; undefined where none has, or what it left is not sound. */
export async function rememberedOrder({ digest, rows }: CacheManifest): Promise<ReferenceOrder | undefined> {
  try {
    const text = (await readRegularFile(orderFile(digest), MAX_BYTES)).toString('utf8');
    const { cache, pairs, ordered } = orderSchema.parse(parseShallowJson(text));
    return cache === digest && pairs === rows && ordered <= pairs ? { pairs, ordered } : undefined;
  } catch {
    // Whatever is wrong with it: it can be counted again.
    return undefined;
  }
}

/** Keeps it for the next run; where nothing can be written, that one counts again. */
export async function rememberOrder({ digest }: CacheManifest, order: ReferenceOrder): Promise<void> {
  try {
    await makeFolder(ordersFolder());
    await publishBytes(
      orderFile(digest),
      `${JSON.stringify({ version: VERSION, cache: digest, ...order })}\n`,
    );
  } catch {
    // A full disk or a home that cannot be written to is no reason not to train.
  }
}

const ordersFolder = () => join(userCacheFolder(), 'reference-order');

const orderFile = (digest: string) => join(ordersFolder(), `${digest}.json`);

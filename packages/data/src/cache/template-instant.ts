/** The instant at which the chat template of a cache was rendered, for the next `score` into the same folder. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MANIFEST_FILE, readManifest } from './manifest.js';
import { INPUTS_FILE, readInputs } from './unfinished-cache.js';

const withInstant = z
  .object({ tokenizer: z.object({ chatTemplateNow: z.iso.datetime() }) })
  .transform(({ tokenizer }) => new Date(tokenizer.chatTemplateNow));

/**
 * A template that reads the clock (`strftime_now`) gives other tokens every day; going on with a cache needs the clock
 * it was begun at.
 * @returns undefined where no cache is, or one whose template reads no clock.
 * @throws InputError `cache-damaged`, … for a manifest that cannot be read.
 */
export async function templateInstantOf(directory: string): Promise<Date | undefined> {
  const has = async (name: string) =>
    (await lstat(join(directory, name)).catch(() => undefined)) !== undefined;
  if (await has(MANIFEST_FILE)) return withInstant.safeParse((await readManifest(directory)).inputs).data;
  if (await has(INPUTS_FILE)) return withInstant.safeParse(await readInputs(directory)).data;
  return undefined;
}

/** A site as a folder that any static host serves. */
import { copyFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import {
  InputError,
  ProgressMeter,
  kindOf,
  makeFolder,
  parseShallowJson,
  publishDirectory,
  readRegularFile,
  refuseLinkedFolder,
} from '@selective-dpo/foundation';
import { z } from 'zod';
import { refuseInsideCache } from './outside-caches.js';
import { contentOf, jsonFile, type SiteFile, type SiteFiles } from './site-files.js';
import type { Site } from './site.js';
import { refuseToGoOn, type WatchedWork } from './thinned-metrics.js';

/** In an export: the paths of all its files, so that a later one knows what may go. */
const LIST_FILE = 'data/export.json';
const MAX_LIST_BYTES = 1 << 26;
const listSchema = z.strictObject({ generator: z.literal('sdpo inspect'), files: z.array(z.string()) });

/**
 * Writes the page and all files of a site into a folder, whole or not at all. An earlier export in it is replaced. Files of a cache
 * are checked against its manifest while they are copied.
 * @throws InputError `folder-in-use` for a folder with anything else in it, or inside a cache; `not-a-folder` for a link; `cache-damaged`;
 *   those of the file system; Interrupted.
 */
export async function exportSite(
  site: Site,
  page: SiteFiles,
  directory: string,
  { listener, signal }: WatchedWork = {},
): Promise<{ directory: string; files: number }> {
  const target = resolve(directory);
  const all = new Map([...page, ...site.files]);
  all.set(
    LIST_FILE,
    jsonFile(() => ({ generator: 'sdpo inspect', files: [...all.keys()] })),
  );
  await refuseOtherContent(target, directory);
  await makeFolder(dirname(target));
  const meter = new ProgressMeter('export', 'files', all.size);
  await publishDirectory(target, async (temporary) => {
    for (const [path, file] of all) {
      refuseToGoOn(signal);
      const place = join(temporary, ...path.split('/'));
      await makeFolder(dirname(place));
      await copyInto(file, place);
      listener?.(meter.advance(1));
    }
  });
  return { directory, files: all.size };
}

async function copyInto(file: SiteFile, place: string): Promise<void> {
  await file.verify?.();
  const source = file.make === undefined ? await file.locate!() : undefined;
  if (source === undefined) await writeFile(place, await contentOf(file));
  else await copyFile(source, place);
}

async function refuseOtherContent(target: string, given: string): Promise<void> {
  await refuseInsideCache(given);
  await refuseLinkedFolder(target);
  const other = (await kindOf(target)) === undefined ? undefined : await strangerIn(target);
  if (other === undefined) return;
  throw new InputError('folder-in-use', 'something else is here already', {
    file: given,
    found: other,
    expected: 'a folder that is not there, empty, or an earlier export and nothing else',
    hint: 'choose another --export, or remove what is there',
  });
}

/** Something in a folder that no export wrote, if there is any. */
async function strangerIn(folder: string): Promise<string | undefined> {
  const own = new Set(await listedFiles(folder));
  if (own.size === 0) return (await readdir(folder))[0];
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isDirectory()) continue;
    const name = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/');
    if (!entry.isFile() || !own.has(name)) return name;
  }
  return undefined;
}

async function listedFiles(folder: string): Promise<string[]> {
  try {
    const text = (await readRegularFile(join(folder, LIST_FILE), MAX_LIST_BYTES)).toString('utf8');
    return listSchema.parse(parseShallowJson(text)).files;
  } catch (error) {
    // Without a list of ours nothing is an export's.
    if (error instanceof InputError || error instanceof SyntaxError || error instanceof z.ZodError) return [];
    throw error;
  }
}

/** A site as a folder that any static host serves. */
import { copyFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import {
  InputError,
  ProgressMeter,
  isFolder,
  kindOf,
  makeFolder,
  publishDirectory,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { refuseInsideCache } from './outside-caches.js';
import { contentOf, type SiteFile, type SiteFiles } from './site-files.js';
import { SITE_FILE, type Site } from './site.js';
import { PAGE_FILE } from './web-page.js';

/**
 * Writes the page and all files of a site into a folder, whole or not at all. An earlier export in it is replaced. Files of a cache
 * are checked against its manifest while they are copied.
 * @throws InputError `folder-in-use` for a folder with anything else in it, or inside a cache; `cache-damaged`; those of the file system.
 */
export async function exportSite(
  site: Site,
  page: SiteFiles,
  directory: string,
  listener?: ProgressListener,
): Promise<{ directory: string; files: number }> {
  const target = resolve(directory);
  await refuseOtherContent(target, directory);
  await makeFolder(dirname(target));
  const all = [...page, ...site.files];
  const meter = new ProgressMeter('export', 'files', all.length);
  await publishDirectory(target, async (temporary) => {
    for (const [path, file] of all) {
      const place = join(temporary, ...path.split('/'));
      await makeFolder(dirname(place));
      await copyInto(file, place);
      listener?.(meter.advance(1));
    }
  });
  return { directory, files: all.length };
}

async function copyInto(file: SiteFile, place: string): Promise<void> {
  await file.verify?.();
  const source = file.make === undefined ? await file.locate!() : undefined;
  if (source === undefined) await writeFile(place, await contentOf(file));
  else await copyFile(source, place);
}

/** What an export has in its folder; anything else was put there by somebody. */
const OWN_NAMES: ReadonlySet<string> = new Set([PAGE_FILE, 'assets', 'data']);

async function refuseOtherContent(target: string, given: string): Promise<void> {
  await refuseInsideCache(given);
  if ((await kindOf(target)) === undefined) return;
  const names = (await isFolder(target)) ? await readdir(target) : undefined;
  const isOurs = async () => (await kindOf(join(target, SITE_FILE))) === 'a file';
  if (names?.length === 0 || (names?.every((name) => OWN_NAMES.has(name)) && (await isOurs()))) return;
  throw new InputError('folder-in-use', 'something else is here already', {
    file: given,
    expected: 'a folder that is not there, empty, or an earlier export',
    hint: 'choose another --export',
  });
}

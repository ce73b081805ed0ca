/** The site of a cache by itself. */
import { basename, resolve } from 'node:path';
import { CacheReader } from '@selective-dpo/data';
import { derivedData, type DerivedDataOptions } from '../figures/inspection-folder.js';
import { SITE_VERSION, type SiteDescription } from '../site-contract.js';
import { cacheSite } from './cache-site.js';
import { jsonFile } from './site-files.js';
import { SITE_FILE, type Site } from './site.js';

/**
 * Looks at a finished cache; what is derived of it is made first where it is not there.
 * @throws InputError as {@link CacheReader.open} and {@link derivedData}.
 */
export async function openCacheSite(directory: string, options: DerivedDataOptions = {}): Promise<Site> {
  const reader = await CacheReader.open(directory);
  try {
    const { description: cache, files } = cacheSite(reader, await derivedData(reader, options));
    const title = basename(resolve(directory));
    const description: SiteDescription = { version: SITE_VERSION, kind: 'cache', title, cache };
    files.set(
      SITE_FILE,
      jsonFile(() => description),
    );
    return { description, files };
  } finally {
    await reader.close();
  }
}

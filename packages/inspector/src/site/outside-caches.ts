/** Nothing is written into a cache: `sdpo cache verify` takes whatever its manifest does not name for damage. */
import { dirname, join, resolve } from 'node:path';
import { InputError, kindOf } from '@selective-dpo/foundation';
import { MANIFEST_FILE, SHARDS_FOLDER } from '@selective-dpo/data';

/** @throws InputError `folder-in-use` for a place inside a cache, however deep. */
export async function refuseInsideCache(place: string): Promise<void> {
  for (let inner = resolve(place), at = dirname(inner); at !== inner; inner = at, at = dirname(at)) {
    const isCache =
      (await kindOf(join(at, MANIFEST_FILE))) === 'a file' &&
      (await kindOf(join(at, SHARDS_FOLDER))) === 'a folder';
    if (!isCache) continue;
    throw new InputError('folder-in-use', 'this place lies inside a cache', {
      file: place,
      found: `the cache ${at}`,
      expected: 'a place outside of it',
      hint: 'choose another one',
    });
  }
}

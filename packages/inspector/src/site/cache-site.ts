/** The part of a site that is a cache. */
import { DROPPED_FILE, MANIFEST_FILE, type CacheReader } from '@selective-dpo/data';
import type { DerivedData } from '../figures/inspection-folder.js';
import type { CacheDescription } from '../site-contract.js';
import { cacheFile, folderFile, type SiteFile } from './site-files.js';

const DATA = 'data';
const CACHE = `${DATA}/cache`;

export interface CacheSite {
  description: CacheDescription;
  files: Map<string, SiteFile>;
}

/** A finished cache and what was derived of it. Shards have names of their own here: those in the manifest may be anything. */
export function cacheSite(reader: CacheReader, derived: DerivedData): CacheSite {
  const { manifest, directory } = reader;
  const files = new Map<string, SiteFile>();
  const shards: CacheDescription['shards'][number][] = [];
  let firstRow = 0;
  manifest.shards.forEach(({ rows, parquet }, i) => {
    const file = `${CACHE}/shards/shard-${String(i).padStart(5, '0')}.parquet`;
    files.set(file, cacheFile(directory, parquet));
    shards.push({ firstRow, rows, file, bytes: parquet.bytes });
    firstRow += rows;
  });
  files.set(`${CACHE}/${MANIFEST_FILE}`, folderFile(directory, MANIFEST_FILE));
  files.set(`${CACHE}/${DROPPED_FILE}`, cacheFile(directory, manifest.droppedFile));
  for (const [name, sha256] of Object.entries(derived.files)) {
    files.set(`${DATA}/${name}`, folderFile(derived.folder, name, sha256));
  }
  return {
    files,
    description: {
      rows: manifest.rows,
      shards,
      stored: { shards: shards.length, bytes: shards.reduce((sum, { bytes }) => sum + bytes, 0) },
      ...(derived.files['vocabulary.json'] === undefined ? {} : { vocabulary: `${DATA}/vocabulary.json` }),
      overview: `${DATA}/overview.json`,
      pairs: `${DATA}/pairs.parquet`,
      manifest: `${CACHE}/${MANIFEST_FILE}`,
      dropped: `${CACHE}/${DROPPED_FILE}`,
    },
  };
}

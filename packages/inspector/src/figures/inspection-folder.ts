/**
 * Where the derived data of caches lies: beside the user's other caches, since a cache's own folder is never written to. One folder a
 * manifest digest, published whole; `contents.json` in it names every file with its digest, and what does not fit is made anew.
 */
import { basename, dirname, join } from 'node:path';
import {
  InputError,
  explainSystemError,
  makeFolder,
  parseShallowJson,
  publishBytes,
  publishDirectory,
  readRegularFile,
  removeTemporaries,
  sha256,
  sha256OfFile,
  userCacheFolder,
  type FolderLock,
} from '@selective-dpo/foundation';
import type { CacheManifest, CacheReader } from '@selective-dpo/data';
import { z } from 'zod';
import { SITE_VERSION, type Vocabulary } from '../site-contract.js';
import { inspectionLock, type WaitOptions } from './inspection-lock.js';
import { OVERVIEW_FILE, PAIRS_FILE, VOCABULARY_FILE, deriveFigures, type DeriveOptions } from './derive.js';
import { loadCacheTokenizer, vocabularyOf } from './vocabulary.js';

const CONTENTS_FILE = 'contents.json';
const MAX_CONTENTS_BYTES = 1 << 16;
const MAX_VOCABULARY_BYTES = 1 << 28;
const NAMES = [OVERVIEW_FILE, PAIRS_FILE, VOCABULARY_FILE] as const;

const contentsSchema = z.strictObject({
  version: z.literal(SITE_VERSION),
  /** Digest of the cache's manifest. */
  cache: z.string(),
  /** SHA-256 by name; {@link VOCABULARY_FILE} where a tokenizer was given. */
  files: z.partialRecord(z.enum(NAMES), z.string()),
});

/** The derived data of one cache. */
export interface DerivedData {
  folder: string;
  /** SHA-256 by name. */
  files: Readonly<Partial<Record<(typeof NAMES)[number], string>>>;
}

export interface DerivedDataOptions extends Omit<DeriveOptions, 'tokenizer'> {
  /** Folder of the tokenizer; once given it need not be given again. */
  tokenizerDirectory?: string | undefined;
}

/**
 * Where the derived data of a cache lies, whether or not it is there. With texts it is another folder: a page that is open goes on with what it
 * began to read.
 */
export function inspectionFolder(cache: CacheManifest, withTexts: boolean): string {
  const name = `${cache.digest}-${SITE_VERSION}${withTexts ? '-texts' : ''}`;
  return join(userCacheFolder(), 'inspection', name);
}

/**
 * The derived data of a cache: what is there, or else made now.
 * What another process is making is waited for.
 * @throws InputError `tokenizer-differs`, those of the cache, of the tokenizer and of the file system; Interrupted.
 */
export async function derivedData(
  reader: CacheReader,
  { tokenizerDirectory, ...options }: DerivedDataOptions = {},
): Promise<DerivedData> {
  const { manifest } = reader;
  const tokenizer =
    tokenizerDirectory === undefined
      ? undefined
      : await loadCacheTokenizer(tokenizerDirectory, reader.manifest);
  const vocabulary = tokenizer && sha256(JSON.stringify(vocabularyOf(tokenizer)));
  const fits = (found: DerivedData | undefined): found is DerivedData =>
    found !== undefined && (vocabulary === undefined || found.files[VOCABULARY_FILE] === vocabulary);
  const withTexts = await soundData(inspectionFolder(manifest, true), manifest);
  if (fits(withTexts)) return withTexts;
  const folder = inspectionFolder(manifest, tokenizer !== undefined);
  const present = await soundData(folder, manifest);
  if (fits(present)) return present;
  const lock = await lockOf(folder, options);
  try {
    const meanwhile = await soundData(folder, reader.manifest);
    if (fits(meanwhile)) return meanwhile;
    let files: DerivedData['files'] = {};
    await publishDirectory(folder, async (temporary) => {
      await deriveFigures(reader, temporary, { ...options, tokenizer });
      files = await digestsOf(temporary, tokenizer === undefined ? [OVERVIEW_FILE, PAIRS_FILE] : NAMES);
      const contents = { version: SITE_VERSION, cache: reader.manifest.digest, files };
      await publishBytes(join(temporary, CONTENTS_FILE), JSON.stringify(contents));
    });
    return { folder, files };
  } finally {
    await lock.release();
  }
}

/** The texts of a cache's tokens, where a tokenizer was given once; undefined where none was. */
export async function rememberedVocabulary(cache: CacheManifest): Promise<Vocabulary | undefined> {
  const data = await soundData(inspectionFolder(cache, true), cache);
  if (data?.files[VOCABULARY_FILE] === undefined) return undefined;
  const bytes = await readRegularFile(join(data.folder, VOCABULARY_FILE), MAX_VOCABULARY_BYTES);
  return JSON.parse(bytes.toString('utf8')) as Vocabulary;
}

/** What lies in the folder, if all of it is as it was written. */
async function soundData(folder: string, cache: CacheManifest): Promise<DerivedData | undefined> {
  try {
    const text = (await readRegularFile(join(folder, CONTENTS_FILE), MAX_CONTENTS_BYTES)).toString('utf8');
    const { files, cache: digest } = contentsSchema.parse(parseShallowJson(text));
    if (digest !== cache.digest) return undefined;
    const names = NAMES.filter((name) => name in files);
    const found = await digestsOf(folder, names);
    const sound = OVERVIEW_FILE in files && PAIRS_FILE in files;
    return sound && names.every((name) => found[name] === files[name]) ? { folder, files } : undefined;
  } catch {
    // Whatever is wrong with it: it can be made again.
    return undefined;
  }
}

async function digestsOf(
  folder: string,
  names: readonly (typeof NAMES)[number][],
): Promise<DerivedData['files']> {
  const files: Partial<Record<(typeof NAMES)[number], string>> = {};
  for (const name of names) files[name] = await sha256OfFile(join(folder, name));
  return files;
}

/** One maker at a time; a dead one's lock is taken over, and its leftovers go. */
async function lockOf(folder: string, wait: WaitOptions): Promise<FolderLock> {
  const [parent, name] = [dirname(folder), basename(folder)];
  try {
    await makeFolder(parent);
    const lock = await inspectionLock(parent, `${name}.lock`, 'cache’s inspection data', wait);
    await removeTemporaries(parent, name);
    return lock;
  } catch (error) {
    throw withHint(explainSystemError(error, parent));
  }
}

/** What the system says of the user's cache folder names no option of ours. */
function withHint(error: unknown): unknown {
  if (!(error instanceof InputError) || error.details.hint !== undefined) return error;
  return new InputError(error.code, error.message, {
    ...error.details,
    hint: 'set XDG_CACHE_HOME to a folder that can be written',
  });
}

/** A file of a repository as its listing names it. Nothing of it is trusted. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import { z } from 'zod';

export interface RepositoryFile {
  /** Relative, with `/` between levels. */
  path: string;
  bytes: number;
  /** SHA-256 of large files (LFS, Xet), Git's SHA-1 of a blob for all others; also the name of the file in `blobs/`. */
  digest: string;
}

const entrySchema = z.object({
  type: z.string(),
  path: z.string(),
  size: z.int().min(0),
  oid: z.string().regex(/^[0-9a-f]{40}$/),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) }).nullish(),
  xetHash: z.string().nullish(),
});

/**
 * Checks an entry of a listing; undefined for a folder.
 * @param source the repository, for messages.
 * @throws InputError `hub-listing` for what no listing holds, `path-outside-folder` for a path that leads out of the folder.
 */
export function repositoryFile(entry: unknown, source: string): RepositoryFile | undefined {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw listingProblem(source, `${issue.path.join('.')}: ${issue.message}`);
  }
  const { type, path, size, oid, lfs, xetHash } = parsed.data;
  refuseUnsafePath(path, source);
  if (type !== 'file') return undefined;
  if (lfs && lfs.size !== size) throw listingProblem(source, `two sizes for ${quoteValue(path)}`);
  if (!lfs && xetHash) throw listingProblem(source, `no SHA-256 for ${quoteValue(path)}`);
  return { path, bytes: size, digest: lfs?.oid ?? oid };
}

/** @throws InputError `path-outside-folder` for absolute paths, `..`, drives and what a file system may read otherwise. */
export function refuseUnsafePath(path: string, source: string): void {
  // eslint-disable-next-line no-control-regex
  const isPlain = !/[\\\u0000-\u001f\u007f]|^[A-Za-z]:/.test(path);
  if (isPlain && path.split('/').every((level) => level !== '' && level !== '.' && level !== '..')) return;
  throw new InputError(
    'path-outside-folder',
    'the repository lists a file whose name leads out of its folder',
    {
      file: source,
      found: quoteValue(path),
      expected: 'relative names',
      hint: 'do not use this model',
    },
  );
}

export function listingProblem(source: string, found: string): InputError {
  return new InputError('hub-listing', 'the hub lists the files of the model in a way that is not known', {
    file: source,
    found,
    hint: 'see that HF_ENDPOINT is a Hugging Face hub',
  });
}

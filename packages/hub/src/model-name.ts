/** Names of models on the hub, as people write them: `org/name` or `org/name@revision`. */
import { InputError, quoteValue } from '@selective-dpo/foundation';

export interface ModelName {
  /** `org/name`. */
  repository: string;
  /** A branch, a tag, a ref such as `refs/pr/1`, or a commit. */
  revision: string;
}

export const DEFAULT_REVISION = 'main';

const MAX_PART = 96;
const MAX_REVISION = 200;
const PART = /^[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?$/;

/**
 * Reads a name by the hub's rules; undefined for what can only be a path (`./a/b`, `/a`, `a/b/c`, `a`).
 * @throws InputError `hub-revision` for a name with a revision that cannot be one.
 */
export function parseModelName(text: string): ModelName | undefined {
  const repository = repositoryOf(text);
  if (repository === undefined) return undefined;
  const revision = text === repository ? DEFAULT_REVISION : text.slice(repository.length + 1);
  if (isRevision(revision)) return { repository, revision };
  throw new InputError('hub-revision', 'this cannot be the revision of a model', {
    file: text,
    found: quoteValue(revision),
    expected: 'a branch, a tag or a commit, such as org/name@main',
  });
}

/** Whether a text would be asked of the hub where it is no path on this machine. */
export function isModelName(text: string): boolean {
  return repositoryOf(text) !== undefined;
}

/** Whether a revision is a whole commit, which never changes its meaning. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** What stands before the first @, if it is of the form of a repository. */
function repositoryOf(text: string): string | undefined {
  const repository = text.split('@', 1)[0]!;
  const parts = repository.split('/');
  return parts.length === 2 && parts.every(isPart) ? repository : undefined;
}

function isPart(part: string): boolean {
  return part.length <= MAX_PART && PART.test(part) && !/--|\.\./.test(part) && !part.endsWith('.git');
}

/** Git's rules for refs, less what has a meaning in addresses and file names. It becomes a path below `refs/`. */
function isRevision(revision: string): boolean {
  if (revision.length > MAX_REVISION) return false;
  const levels = revision.split('/');
  return levels.every((level) => /^[\w+-][\w.+-]*$/.test(level) && !/\.\.|\.$|\.lock$/.test(level));
}

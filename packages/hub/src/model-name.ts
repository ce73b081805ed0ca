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
  const at = text.indexOf('@');
  const repository = at < 0 ? text : text.slice(0, at);
  const parts = repository.split('/');
  if (parts.length !== 2 || !parts.every(isPart)) return undefined;
  const revision = at < 0 ? DEFAULT_REVISION : text.slice(at + 1);
  if (isRevision(revision)) return { repository, revision };
  throw new InputError('hub-revision', 'this cannot be the revision of a model', {
    file: text,
    found: quoteValue(revision),
    expected: 'a branch, a tag or a commit, such as org/name@main',
  });
}

/** Whether a revision is a whole commit, which never changes its meaning. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
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

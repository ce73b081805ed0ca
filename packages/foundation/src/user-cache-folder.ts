/** Where a user's programs keep what can be made again. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * This program's folder among them, `selective-dpo` in $XDG_CACHE_HOME or ~/.cache. It need not be there.
 * Source: XDG Base Directory Specification 0.8, which has relative values ignored.
 */
export function userCacheFolder(): string {
  const given = process.env['XDG_CACHE_HOME'];
  return join(given !== undefined && isAbsolute(given) ? given : join(homedir(), '.cache'), 'selective-dpo');
}

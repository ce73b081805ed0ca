/** Where the log-probs of a run's policies lie: beside the run, or where the run's folder cannot be written, with the user's other caches. */
import { constants } from 'node:fs';
import { access, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { isFolder, refuseLinkedFolder, sha256, userCacheFolder } from '@selective-dpo/foundation';

/** The folder in a run's. */
export const INSPECTION_FOLDER = 'inspection';

export interface PolicyFolders {
  /** What may be there already is looked for in all of these, in order. */
  read: readonly string[];
  /** New files go here; it need not be there. */
  write: string;
}

/**
 * @param canWrite whether files can be made in a folder that is there.
 * @throws InputError `not-a-folder` where a link or a file stands in its place.
 */
export async function policyFolders(run: string, canWrite = isWritable): Promise<PolicyFolders> {
  const own = join(run, INSPECTION_FOLDER);
  await refuseLinkedFolder(own);
  if (await canWrite((await isFolder(own)) ? own : run)) return { read: [own], write: own };
  const users = join(userCacheFolder(), 'inspection', `run-${sha256(await realpath(run))}`);
  return { read: [own, users], write: users };
}

async function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** The page itself: what `npm run build` bundles from `packages/inspector/web`. */
import { fileURLToPath } from 'node:url';
import { InputError } from '@selective-dpo/foundation';
import { filesOfFolder, type SiteFile } from './site-files.js';

export const PAGE_FILE = 'index.html';

/** The same from the sources and from the build. */
const BUNDLE = fileURLToPath(new URL('../../dist/web', import.meta.url));

/** The page's files by their path in a site. @throws InputError `page-missing`. */
export async function webPage(folder = BUNDLE): Promise<Map<string, SiteFile>> {
  const files = await filesOfFolder(folder).catch(() => new Map<string, SiteFile>());
  if (files.has(PAGE_FILE)) return files;
  throw new InputError('page-missing', 'the page of the inspector is not built', {
    file: folder,
    expected: PAGE_FILE,
    hint: 'npm run build',
  });
}

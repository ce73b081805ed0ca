/** What a site is made of, but for the page itself. */
import type { SiteDescription } from '../site-contract.js';
import type { SiteFiles } from './site-files.js';

export const SITE_FILE = 'data/site.json';

/** Everything of a site but the page. */
export interface Site {
  description: SiteDescription;
  files: SiteFiles;
}

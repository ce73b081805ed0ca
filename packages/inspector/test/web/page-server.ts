/** The built page with a site in memory, served as sdpo inspect does. */
import { startSiteServer } from '../../src/server/site-server.js';
import { contentOf, type SiteFile } from '../../src/site/site-files.js';
import { webPage } from '../../src/site/web-page.js';
import type { Files } from './made-site.js';

/** The built page by paths. */
export async function pageFiles(): Promise<Files> {
  const files: Files = new Map();
  for (const [path, file] of await webPage()) files.set(path, await contentOf(file));
  return files;
}

export interface PageServer {
  url: string;
  /** What is served; contents may change while they are. */
  files: Files;
  close(): Promise<void>;
}

/** Serves the page with a site. @param delay milliseconds before every file of the site. */
export async function servePage(site: Files, delay = 0): Promise<PageServer> {
  const files = new Map(site);
  const served = new Map<string, SiteFile>(await webPage());
  for (const path of files.keys()) {
    const make = async () => {
      await new Promise((resolve) => setTimeout(resolve, delay));
      return files.get(path)!;
    };
    served.set(path, { make });
  }
  const server = await startSiteServer(served);
  return { url: server.url, files, close: () => server.close() };
}

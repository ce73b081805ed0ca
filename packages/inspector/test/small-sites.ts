/** A small run with its cache, and sites of them as the page reads them. */
import { openRunSite, type RunSiteOptions, type Site } from '../src/index.js';
import { contentOf, type SiteFiles } from '../src/site/site-files.js';
import { DirectSiteData } from '../web/data/site-data.js';
import { EmbeddedFiles } from '../web/files/site-files.js';
import { runWith, writeRunInputs, type RunInputs } from '../../trainer/test/small-run.js';

/** In the run's cache. */
export const PAIRS = 60;

export interface SmallRun {
  inputs: RunInputs;
  /** Its folder. */
  run: string;
  site(change?: Partial<RunSiteOptions>): Promise<Site>;
}

/** A finished run of four steps with two checkpoints. */
export async function smallRun(): Promise<SmallRun> {
  const inputs = await writeRunInputs(PAIRS);
  const config = { maxSteps: 4, saveEvery: 2, evalFraction: 0.2 };
  const { folder: run } = await runWith(inputs, { config });
  const options = { cacheDirectory: inputs.cacheDirectory, sample: 12, engine: 'wasm' } as const;
  return { inputs, run, site: (change = {}) => openRunSite(run, { ...options, ...change }) };
}

export async function jsonOf<T>(files: SiteFiles, path: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await contentOf(files.get(path)!))) as T;
}

/** What the page reads of a site. */
export async function pageOf({ files, description }: Site): Promise<DirectSiteData> {
  const embedded: Record<string, string> = {};
  for (const [path, file] of files) embedded[path] = Buffer.from(await contentOf(file)).toString('base64');
  return new DirectSiteData(new EmbeddedFiles(embedded), description.cache!);
}

/** The site as the views see it: its description, its files, and what was read of them once. */
import type { Overview, SiteDescription, Vocabulary } from '../src/site-contract.js';
import type { PairTable } from './data/pair-table.js';
import type { PolicyTable } from './data/policy-table.js';
import { DirectSiteData, readVocabulary, type SiteData } from './data/site-data.js';
import { WorkerSiteData } from './data/worker-site-data.js';
import { readJson, isObject, type JsonObject } from './files/json-file.js';
import { EmbeddedFiles, FetchedFiles, type SiteFiles } from './files/site-files.js';
import { SiteProblem } from './files/site-problem.js';
import { readSite } from './files/site.js';
import { TokenTexts } from './text/token-text.js';

/** Policies whose log-probs are held at a time. */
const MAX_POLICIES = 4;

export class OpenedSite {
  private readonly once = new Map<string, Promise<unknown>>();
  private readonly policies = new Map<string, Promise<PolicyTable>>();

  constructor(
    readonly description: SiteDescription,
    readonly files: SiteFiles,
    /** Whether the files may change while the page is open. */
    readonly live: boolean,
    private readonly data: SiteData | undefined,
  ) {}

  /** Log-probs and texts of the cache. @throws SiteProblem where the site has none. */
  get pairs(): SiteData {
    if (this.data === undefined) throw new SiteProblem('this site has no cache: there are no pairs to show');
    return this.data;
  }

  overview(): Promise<Overview> {
    return this.first(
      'overview',
      () => readJson(this.files, this.cache.overview) as unknown as Promise<Overview>,
    );
  }

  manifest(): Promise<JsonObject> {
    return this.first('manifest', () => readJson(this.files, this.cache.manifest));
  }

  texts(): Promise<TokenTexts> {
    return this.first(
      'texts',
      async () => new TokenTexts((await readVocabulary(this.files, this.cache)) as Vocabulary),
    );
  }

  pairTable(): Promise<PairTable> {
    return this.first('pairs', () => this.pairs.pairTable());
  }

  policy(file: string): Promise<PolicyTable> {
    let table = this.policies.get(file);
    if (table === undefined) {
      table = this.pairs.policy(file);
      this.policies.set(file, table);
      table.catch(() => this.policies.delete(file));
      if (this.policies.size > MAX_POLICIES) this.policies.delete(this.policies.keys().next().value!);
    }
    return table;
  }

  /** @throws SiteProblem where the site has none. */
  get cache(): NonNullable<SiteDescription['cache']> {
    const { cache } = this.description;
    if (cache === undefined) throw new SiteProblem('this site has no cache: there are no pairs to show');
    return cache;
  }

  private first<T>(name: string, read: () => Promise<T>): Promise<T> {
    let held = this.once.get(name) as Promise<T> | undefined;
    if (held === undefined) {
      held = read();
      this.once.set(name, held);
      held.catch(() => this.once.delete(name));
    }
    return held;
  }
}

/** Opens the site that this page belongs to. @throws SiteProblem */
export async function openSite(): Promise<OpenedSite> {
  const embedded = document.getElementById('site-files')?.textContent;
  const files = embedded ? new EmbeddedFiles(embeddedFiles(embedded)) : new FetchedFiles(document.baseURI);
  const description = await readSite(files);
  const { cache } = description;
  const data =
    cache &&
    (embedded ? new DirectSiteData(files, cache) : new WorkerSiteData(startWorker, document.baseURI, cache));
  return new OpenedSite(description, files, !embedded, data);
}

function startWorker(): Worker {
  return new Worker(new URL('./data/data-worker.ts', import.meta.url), { type: 'module' });
}

function embeddedFiles(text: string): Record<string, string> {
  let files: unknown;
  try {
    files = JSON.parse(text);
  } catch {
    files = undefined;
  }
  if (!isObject(files)) throw new SiteProblem('the files inside this page are damaged');
  return files as Record<string, string>;
}

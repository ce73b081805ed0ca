/** What the views ask of a site's Parquet files. */
import type { CacheDescription, Vocabulary } from '../../src/site-contract.js';
import { readJson } from '../files/json-file.js';
import { ParquetFile } from '../files/parquet-file.js';
import type { SiteFiles } from '../files/site-files.js';
import { SiteProblem } from '../files/site-problem.js';
import { searchPairs, type SearchProgress } from '../text/search.js';
import { TokenTexts } from '../text/token-text.js';
import { PairContents, type PairContent } from './pair-content.js';
import { readPairTable, type PairTable } from './pair-table.js';
import { readPairTexts, type PairText } from './pair-texts.js';
import { readPolicyTable, type PolicyTable } from './policy-table.js';

export interface SiteData {
  pairTable(): Promise<PairTable>;
  /** A block of rows of the table. */
  pairTexts(block: number): Promise<PairText[]>;
  pair(index: number): Promise<PairContent>;
  /** Several, in the order given. */
  pairs(indices: readonly number[]): Promise<PairContent[]>;
  policy(file: string): Promise<PolicyTable>;
  /** Searches until it is through, or `stop` aborts. */
  search(query: string, report: (progress: SearchProgress) => void, stop: AbortSignal): Promise<void>;
}

/** @throws SiteProblem for a vocabulary that is none. */
export async function readVocabulary(
  files: SiteFiles,
  { vocabulary }: CacheDescription,
): Promise<Vocabulary | undefined> {
  if (vocabulary === undefined) return undefined;
  const found = await readJson(files, vocabulary);
  const lists = ['texts', 'special', 'sentenceEnds'].every((name) => Array.isArray(found[name]));
  if (!lists) throw new SiteProblem(`${vocabulary} is damaged`, 'Make the site again.');
  return found as unknown as Vocabulary;
}

/** Reads and decodes where it is called. */
export class DirectSiteData implements SiteData {
  private readonly contents: PairContents;
  private opened: Promise<ParquetFile> | undefined;
  private texts: Promise<TokenTexts> | undefined;

  constructor(
    private readonly files: SiteFiles,
    private readonly cache: CacheDescription,
  ) {
    this.contents = new PairContents(files);
  }

  async pairTable(): Promise<PairTable> {
    return readPairTable(await this.pairsFile(), this.cache.rows);
  }

  async pairTexts(block: number): Promise<PairText[]> {
    return readPairTexts(await this.pairsFile(), block);
  }

  async pair(index: number): Promise<PairContent> {
    return this.contents.pair(this.cache, index);
  }

  async pairs(indices: readonly number[]): Promise<PairContent[]> {
    return this.contents.pairs(this.cache, indices);
  }

  async policy(file: string): Promise<PolicyTable> {
    return readPolicyTable(await ParquetFile.open(this.files, file));
  }

  async search(query: string, report: (progress: SearchProgress) => void, stop: AbortSignal): Promise<void> {
    this.texts ??= readVocabulary(this.files, this.cache).then((found) => new TokenTexts(found));
    for await (const progress of searchPairs(this.files, this.cache, await this.texts, query)) {
      if (stop.aborted) return;
      report(progress);
      // Whoever stops it must be heard.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  private pairsFile(): Promise<ParquetFile> {
    if (this.opened === undefined) {
      this.opened = ParquetFile.open(this.files, this.cache.pairs);
      this.opened.catch(() => (this.opened = undefined));
    }
    return this.opened;
  }
}

/** What the page and its worker say to each other. */
import type { CacheDescription } from '../../src/site-contract.js';
import type { SearchProgress } from '../text/search.js';

/** Calls of {@link SiteData} that give one answer. */
export type PlainCall = 'pairTable' | 'pairTexts' | 'pair' | 'pairs' | 'policy';

/** A file, a place, or places. */
export type CallArgument = string | number | readonly number[] | undefined;

export type Request =
  | { id: number; kind: 'open'; base: string; cache: CacheDescription }
  | { id: number; kind: 'call'; call: PlainCall; argument: CallArgument }
  | { id: number; kind: 'search'; query: string }
  | { id: number; kind: 'stop' };

export type Reply =
  /** Bytes of a file arrived: whoever waits may wait on. */
  | { id: number; kind: 'alive' }
  | { id: number; kind: 'answer'; value: unknown }
  | { id: number; kind: 'progress'; progress: SearchProgress }
  | { id: number; kind: 'problem'; message: string; advice: string };

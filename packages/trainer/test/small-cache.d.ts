import { type CacheRow } from '@selective-dpo/data';
/** Rows of varied lengths; row `i` is the same in every call with the same seed. */
export declare function pairRows(count: number, seed?: number): CacheRow[];
/** The rows as a model on the current engine scores them, with its `n` likeliest tokens in the place of each. */
export declare function scoredRows(modelDirectory: string, rows: readonly CacheRow[], n: number): Promise<CacheRow[]>;
/** Writes a finished cache and returns its folder. */
export declare function writeCache(policyDirectory: string, rows: readonly CacheRow[], { topLogprobs, ...change }?: {
    tokenizer?: string;
    chatTemplate?: string;
    chatTemplateGiven?: boolean;
    topLogprobs?: number;
}): Promise<string>;
//# sourceMappingURL=small-cache.d.ts.map
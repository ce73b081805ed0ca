export declare const VOCABULARY: number;
/** Writes the directory and returns its path; equal seeds give equal bytes. */
export declare function writePolicy(seed?: number): Promise<string>;
//# sourceMappingURL=small-policy.d.ts.map
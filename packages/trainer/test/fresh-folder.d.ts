/** An empty folder of its own. */
export declare const freshFolder: () => Promise<string>;
//# sourceMappingURL=fresh-folder.d.ts.map
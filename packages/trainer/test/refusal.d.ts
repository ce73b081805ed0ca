import { InputError } from '@selective-dpo/foundation';
/** The problems that `work` is refused for; fails where it is not refused, or by an error that is not typed. */
export declare function refusalOf(work: () => Promise<unknown>): Promise<readonly InputError[]>;
export declare const codesOf: (problems: readonly InputError[]) => string[];
//# sourceMappingURL=refusal.d.ts.map
import { type TrainOptions, type TrainingConfig } from '../src/index.js';
export interface RunInputs {
    policyDirectory: string;
    cacheDirectory: string;
}
/** A policy and a cache of `pairs` pairs that fits it. */
export declare function writeRunInputs(pairs?: number): Promise<RunInputs>;
export declare const newRunFolder: () => Promise<string>;
/** Settings under which every step changes the weights a good deal. */
export declare const settings: (change?: Partial<TrainingConfig>) => TrainingConfig;
export type RunChange = Partial<Omit<TrainOptions, 'config'>> & {
    config?: Partial<TrainingConfig>;
};
/** Trains into a new folder unless one is given. */
export declare function runWith(inputs: RunInputs, { config, ...change }?: RunChange): Promise<{
    folder: string;
    steps: number;
    finalDirectory: string;
    alreadyComplete: boolean;
    lastMetrics: {
        train?: import("../src/index.js").Metrics;
        eval?: import("../src/index.js").Metrics;
    };
    reference?: {
        pairs: number;
        ordered: number;
    };
}>;
export type Line = {
    split: string;
    step: number;
    loss: number;
} & Record<string, number | string>;
/** Lines of a run's metrics. */
export declare function linesOf(folder: string): Promise<Line[]>;
/** Lines of a run's metrics without what clocks and memory give. */
export declare const figuresOf: (folder: string) => Promise<Line[]>;
export declare const weightsOf: (model: string) => Promise<NonSharedBuffer>;
//# sourceMappingURL=small-run.d.ts.map
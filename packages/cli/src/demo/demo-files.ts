/** Where the demo's committed data is, and what the demo makes. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEMO_HELD_OUT_FILE, DEMO_TRAIN_FILE } from './write-demo-data.js';

/** The package's folder `demo`, seen from `src/demo` and `dist/demo` alike. */
const COMMITTED = fileURLToPath(new URL('../../demo/', import.meta.url));

/** What the package carries. */
export const DEMO_FILES = {
  policy: join(COMMITTED, 'policy'),
  reference: join(COMMITTED, 'reference'),
  trainingPairs: join(COMMITTED, 'preferences', DEMO_TRAIN_FILE),
  heldOutPairs: join(COMMITTED, 'preferences', DEMO_HELD_OUT_FILE),
} as const;

/** What the demo writes below its output folder. */
export interface DemoOutput {
  /** The reference's log-probs, written by stage one. */
  cache: string;
  /** The policy's own log-probs: what textbook DPO measures itself by. */
  policyCache: string;
  /** Run directories of stage two. */
  dpo: string;
  dpoLargerReference: string;
  selectiveDpo: string;
  /** Every prompt with the answers of all models and what the judge finds wrong with them. */
  answers: string;
  /** The figures of the table. */
  report: string;
}

export function demoOutput(directory: string): DemoOutput {
  return {
    cache: join(directory, 'cache'),
    policyCache: join(directory, 'cache-of-policy'),
    dpo: join(directory, 'dpo'),
    dpoLargerReference: join(directory, 'dpo-larger-reference'),
    selectiveDpo: join(directory, 'selective-dpo'),
    answers: join(directory, 'answers.jsonl'),
    report: join(directory, 'report.json'),
  };
}

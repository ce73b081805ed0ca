import { tensorflowProblem } from '../../src/engine/index.js';

const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('tensorflow');

/** Why tests of the TensorFlow engine are skipped; undefined where it is installed, or where it is required. */
export const tensorflowSkipped: string | undefined = required ? undefined : tensorflowProblem()?.message;

/** A suite's title with the reason for skipping it, if it is. */
export function titled(title: string): string {
  return tensorflowSkipped === undefined ? title : `${title} (skipped: ${tensorflowSkipped})`;
}

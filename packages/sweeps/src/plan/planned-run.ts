/** One run of a sweep: what it is made of, and what it is called. */
import { canonicalJson, sha256 } from '@selective-dpo/foundation';
import {
  trainingConfigSchema,
  scalarOf,
  type TrainingConfig,
  type TrainingKey,
} from '@selective-dpo/trainer';
import type { Scalar } from '../file/yaml-outline.js';

export interface PlannedRun {
  name: string;
  /** Name of the run's folder: it ends with the key. */
  folder: string;
  /** First {@link KEY_DIGITS} digits of `digest`. */
  key: string;
  /** Digest of everything the run is made of, see {@link runDigest}. */
  digest: string;
  policyDirectory: string;
  cacheDirectory: string;
  config: TrainingConfig;
  /** Value of every swept key. */
  values: Readonly<Record<string, Scalar>>;
}

/** Hexadecimal digits of a run's key. */
export const KEY_DIGITS = 8;
const MAX_FOLDER_NAME = 120;

/**
 * Digest of a run: all training keys as resolved, the policy's weights, the cache's manifest. The engine that `auto` means
 * is not part of it, since no engine is opened to plan a sweep.
 */
export function runDigest(made: {
  policySha256: string;
  cacheManifestSha256: string;
  config: TrainingConfig;
}): string {
  const { policySha256, cacheManifestSha256, config } = made;
  return sha256(canonicalJson({ policySha256, cacheManifestSha256, config }));
}

/** A folder's name for a run: of its name what every file system and shell takes as it is, and its key. */
export function folderName(name: string, key: string): string {
  const plain = name.replace(/[^\w.=+-]/g, '_').replace(/^[-.]/, '_');
  return `${plain.slice(0, MAX_FOLDER_NAME)}-${key}`;
}

/**
 * Words of `sdpo` that train the run into `out`, from its last checkpoint on if there is one; settings at their defaults
 * are left out.
 */
export function trainArguments(run: PlannedRun, out: string): string[] {
  const defaults = trainingConfigSchema.parse({});
  const settings = (Object.keys(run.config) as TrainingKey[])
    .filter((key) => run.config[key] !== defaults[key])
    .map((key) => `${key}=${wordOf(run.config[key])}`);
  return [
    ...['train', '--policy', run.policyDirectory, '--cache', run.cacheDirectory, '--out', out],
    ...['--resume', ...settings],
  ];
}

/** A value as a word that is read as that value. */
function wordOf(value: Scalar): string {
  const plain = String(value);
  return scalarOf(plain) === value ? plain : JSON.stringify(value);
}

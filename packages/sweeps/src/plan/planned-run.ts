/** One run of a sweep: what it is made of, and what it is called. */
import { canonicalJson, sha256 } from '@selective-dpo/foundation';
import {
  identifyingSettings,
  trainingConfigSchema,
  scalarOf,
  type TrainingConfig,
  type TrainingKey,
} from '@selective-dpo/trainer';
import type { Scalar } from '../file/yaml-outline.js';

/** Everything a run is made of. */
export interface RunContent {
  policySha256: string;
  cacheManifestSha256: string;
  config: TrainingConfig;
}

export interface PlannedRun {
  name: string;
  /** Name of the run's folder: it ends with the key. */
  folder: string;
  /** First {@link KEY_DIGITS} digits of `digest`. */
  key: string;
  made: RunContent;
  /** Digest of `made`. */
  digest: string;
  policyDirectory: string;
  cacheDirectory: string;
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
export function runDigest({ policySha256, cacheManifestSha256, config }: RunContent): string {
  return sha256(canonicalJson({ policySha256, cacheManifestSha256, config: identifyingSettings(config) }));
}

/** A folder's name for a run: of its name what every file system and shell takes as it is, and its key. */
export function folderName(name: string, key: string): string {
  const plain = name.replace(/[^\w.=+-]/g, '_').replace(/^[-.]/, '_');
  return `${plain.slice(0, MAX_FOLDER_NAME)}-${key}`;
}

/** The key at the end of a folder's name. */
export function keyOf(folder: string): string {
  return folder.slice(-KEY_DIGITS);
}

/** The name in a run's folder, as far as it is there. */
export function runNameOf(folder: string): string {
  const name = folder.slice(0, -KEY_DIGITS - 1);
  return folderName(name, keyOf(folder)) === folder ? name : folder;
}

/**
 * Words of `sdpo` that train the run into `out`, from its last checkpoint on if there is one; settings at their defaults
 * are left out.
 */
export function trainArguments(run: PlannedRun, out: string): string[] {
  const defaults = trainingConfigSchema.parse({});
  const settings = (Object.keys(run.made.config) as TrainingKey[])
    .filter((key) => run.made.config[key] !== defaults[key])
    .map((key) => `${key}=${wordOf(run.made.config[key])}`);
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

/**
 * The folder of one run: `run.json` says what the run is made of, `config.yaml` is the configuration as resolved.
 * A folder holds one run; going on with it needs the same configuration, cache and policy.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  FolderLock,
  InputError,
  InputErrors,
  canonicalJson,
  explainSystemError,
  parseMemoryLimit,
  makeFolder,
  parseShallowJson,
  publishBytes,
  quoteValue,
  readRegularFile,
  refuseLinkedFolder,
  removeTemporaries,
  sha256,
} from '@selective-dpo/foundation';
import { stringify } from 'yaml';
import { trainingConfigSchema, type TrainingConfig } from '../config/training-config.js';

const RUN_FILE = 'run.json';
/** The configuration as resolved. */
export const RUN_CONFIG_FILE = 'config.yaml';
/** The folder of checkpoints. */
export const CHECKPOINTS_FOLDER = 'checkpoints';
/** The folder of the trained policy. */
export const FINAL_FOLDER = 'final';

const MAX_RUN_FILE_BYTES = 1 << 20;
/** Objects inside one another in `run.json`: the run, its configuration or engine, and some room. */
const MAX_RUN_FILE_DEPTH = 8;

/** Settings that change no value of a run, so that a resumed run may have others. */
const FREE_SETTINGS = new Set(['saveEvery', 'saveTotalLimit', 'tensorboard']);

/** Everything that determines a run's values. */
export interface RunIdentity {
  policySha256: string;
  cacheManifestSha256: string;
  /** Engine and versions, as resolved: `auto` may mean another engine on another day. */
  engine: Record<string, unknown>;
  config: TrainingConfig;
}

/** Digest of a run's identity, stored in every checkpoint. */
export function runFingerprint(identity: RunIdentity): string {
  return sha256(canonicalJson(withEqualLimits(withoutFreeSettings(identity))));
}

/** A run's folder that no other process writes to until `lock` is released. */
export interface PreparedRun {
  /** Whether the folder holds an earlier part of this run. */
  earlier: boolean;
  lock: FolderLock;
}

/**
 * Makes the folder of a new run, or checks that an existing one is this run and removes what a killed one left
 * half-written. Takes the folder's lock; the receiver releases it.
 * @throws InputError `run-exists`, `run-busy`, `folder-in-use`, `not-a-folder`, `run-damaged`; InputErrors naming each
 *   setting that differs.
 */
export async function prepareRunDirectory(
  directory: string,
  identity: RunIdentity,
  resume: boolean,
): Promise<PreparedRun> {
  try {
    await makeFolder(directory);
    // Before anything is written into a folder of someone else.
    refuseForeignFolder(await namesIn(directory), directory);
    const lock = await FolderLock.acquire(directory, { code: 'run-busy', what: 'run' });
    try {
      return { earlier: await claimRun(directory, identity, resume), lock };
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    throw explainSystemError(error, directory);
  }
}

/** The part that needs the lock. @returns whether the folder holds an earlier part of this run. */
async function claimRun(directory: string, identity: RunIdentity, resume: boolean): Promise<boolean> {
  const names = await namesIn(directory);
  refuseForeignFolder(names, directory);
  if (names.length > 0) {
    if (!resume) {
      throw new InputError('run-exists', 'the folder already holds a run', {
        file: directory,
        hint: 'add --resume to go on with it, or choose another --out',
      });
    }
    for (const name of [CHECKPOINTS_FOLDER, FINAL_FOLDER]) await refuseLinkedFolder(join(directory, name));
    refuseOtherRun(await readRunFile(join(directory, RUN_FILE)), identity, directory);
    await removeTemporaries(directory);
  } else {
    // First, so that a kill behind it leaves a run to go on with and not a folder that is refused.
    await publishBytes(join(directory, RUN_FILE), sealedText(identity));
  }
  if (!names.includes(RUN_CONFIG_FILE)) {
    await publishBytes(join(directory, RUN_CONFIG_FILE), stringify(identity.config));
  }
  return names.length > 0;
}

/** What is in the folder, without hidden files, to which the lock belongs. */
async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => !name.startsWith('.'));
}

function refuseForeignFolder(names: readonly string[], directory: string): void {
  if (names.length === 0 || names.includes(RUN_FILE)) return;
  throw new InputError('folder-in-use', 'the folder is not empty and holds no run', {
    file: directory,
    found: names.slice(0, 3).join(', '),
    expected: 'a new or empty folder',
    hint: 'choose another --out',
  });
}

/**
 * What the run in a folder is made of.
 * @throws InputError `run-damaged`, `file-not-found`, …
 */
export async function readRun(directory: string): Promise<RunIdentity> {
  const file = join(directory, RUN_FILE);
  const { policySha256, cacheManifestSha256, engine, config } = await readRunFile(file);
  const isDigest = (value: unknown) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
  const checked = trainingConfigSchema.safeParse(config);
  if (!isDigest(policySha256) || !isDigest(cacheManifestSha256) || !checked.success) {
    throw new InputError('run-damaged', 'the description of the run cannot be used', {
      file,
      ...(checked.success ? {} : { field: `config.${checked.error.issues[0]!.path.join('.')}` }),
      hint: 'start anew with another --out',
    });
  }
  return {
    policySha256: policySha256 as string,
    cacheManifestSha256: cacheManifestSha256 as string,
    engine: (engine ?? {}) as RunIdentity['engine'],
    config: checked.data,
  };
}

/** The run that a model folder came from (`RUN/final`, `RUN/checkpoints/step-N`) or that the folder itself is, if any. */
export async function runOfFolder(directory: string): Promise<string | undefined> {
  const own = resolve(directory);
  const parent = dirname(own);
  const candidates = [
    own,
    ...(basename(own) === FINAL_FOLDER ? [parent] : []),
    ...(basename(parent) === CHECKPOINTS_FOLDER ? [dirname(parent)] : []),
  ];
  for (const folder of candidates) {
    if ((await stat(join(folder, RUN_FILE)).catch(() => undefined))?.isFile() === true) return folder;
  }
  return undefined;
}

async function readRunFile(file: string): Promise<Record<string, unknown>> {
  try {
    const text = (await readRegularFile(file, MAX_RUN_FILE_BYTES)).toString('utf8');
    const value = parseShallowJson(text, MAX_RUN_FILE_DEPTH);
    const content = value !== null && typeof value === 'object' ? unsealed(value, text) : undefined;
    if (content !== undefined) return content;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new InputError('run-damaged', 'the description of the run cannot be read', {
    file,
    hint: 'start anew with another --out',
  });
}

/** A run's description with its own digest: a bit that flips in it makes no other run. */
function sealedText(identity: object): string {
  return `${JSON.stringify({ ...identity, digest: sha256(canonicalJson(identity)) }, null, 2)}\n`;
}

/** What was sealed; undefined where it is not what was written. Runs of earlier versions have no digest. */
function unsealed(value: object, text: string): Record<string, unknown> | undefined {
  const { digest, ...content } = value as Record<string, unknown>;
  return digest === undefined || sealedText(content) === text ? content : undefined;
}

function refuseOtherRun(found: Record<string, unknown>, wanted: RunIdentity, directory: string): void {
  const [before, now] = [withoutFreeSettings(found), withoutFreeSettings(wanted)].map((identity) => ({
    written: flatten(identity),
    compared: flatten(withEqualLimits(identity)),
  })) as [FlatIdentity, FlatIdentity];
  const keys = [...new Set([...before.compared.keys(), ...now.compared.keys()])].filter(
    (key) => before.compared.get(key) !== now.compared.get(key),
  );
  if (keys.length === 0) return;
  throw new InputErrors(
    keys.map(
      (key) =>
        new InputError('run-differs', 'the run in this folder was started with another value', {
          file: join(directory, RUN_FILE),
          field: key,
          found: now.written.get(key) ?? 'nothing',
          expected: before.written.get(key) ?? 'nothing',
          hint: HINTS[key] ?? 'resume with the values it was started with, or choose another --out',
        }),
    ),
  );
}

/** Values by path: as written, for messages, and as they are compared. */
interface FlatIdentity {
  written: Map<string, string>;
  compared: Map<string, string>;
}

const HINTS: Record<string, string> = {
  'config.memoryLimit':
    'the limit decides how a batch is cut, and so the last bits of every sum: resume without --memory-limit, ' +
    'or choose another --out',
};

interface Settings {
  config: Record<string, unknown>;
}

function withoutFreeSettings(identity: object): Settings {
  const { config, ...rest } = identity as { config?: object };
  const kept = Object.entries(identifyingSettings(config ?? {})).filter(([key]) => !FREE_SETTINGS.has(key));
  return { ...rest, config: Object.fromEntries(kept) };
}

/**
 * What of a configuration tells runs apart: all of it, but settings that came after the first version are left out where they change
 * nothing. So runs of before keep their digest, and are gone on with.
 */
export function identifyingSettings(config: object): object {
  const { refTrust, refTrustScale, ...rest } = config as Partial<TrainingConfig>;
  if (refTrust === undefined || refTrust === 'ignore') return rest;
  return { ...rest, refTrust, ...(refTrust === 'weight' ? { refTrustScale } : {}) };
}

/** With the memory limit in bytes: 16GiB and 17179869184B are one limit. */
function withEqualLimits(identity: Settings): Settings {
  const { memoryLimit } = identity.config;
  const bytes = typeof memoryLimit === 'string' ? parseMemoryLimit(memoryLimit) : undefined;
  if (bytes === undefined || bytes === Infinity) return identity;
  return { ...identity, config: { ...identity.config, memoryLimit: `${bytes}B` } };
}

function flatten(value: object, prefix = '', into = new Map<string, string>()): Map<string, string> {
  for (const [key, inner] of Object.entries(value)) {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (inner !== null && typeof inner === 'object') flatten(inner as object, path, into);
    else into.set(path, quoteValue(inner));
  }
  return into;
}

/** A tiny reference, rows to score, and a server that runs it: what the tests of server scorers share. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { InputErrors, SeededRandom, type InputError } from '@selective-dpo/foundation';
import { CacheReader, loadPairTokenizer, type CacheRow } from '@selective-dpo/data';
import { CausalLM, openEngine, readModelConfig } from '@selective-dpo/model';
import type { ServerOptions, ServerScoreOptions } from '../src/index.js';
import { startScoringServer, type ScoringServer, type ServerScript } from './scoring-server.js';
import { freshFolder } from './small-reference.js';

/** Clocks go so many times as fast, so that no test waits. */
const SPEED = 200;

/** Timing of a pass in a test: seeded chance, short waits. */
export const fastTiming = (seed = 1): NonNullable<ServerOptions['timing']> => {
  const random = new SeededRandom(seed);
  return {
    now: () => performance.now() * SPEED,
    wait: (ms, signal) => pause(ms / SPEED, undefined, { signal }),
    random: () => random.next(),
    timeoutMs: () => 400,
  };
};

const models = new Map<string, Promise<CausalLM>>();

function load(directory: string): Promise<CausalLM> {
  const model = openEngine('wasm').then(() => CausalLM.load(directory));
  models.set(directory, model);
  return model;
}

/** Starts a server that runs the reference in `directory`. */
export async function serve(
  directory: string,
  change: Partial<ServerScript> & Pick<ServerScript, 'kind'>,
): Promise<ScoringServer> {
  const model = await (models.get(directory) ?? load(directory));
  const { vocabSize } = await readModelConfig(directory);
  const tokenizer = await loadPairTokenizer(directory);
  const tokenize = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  return startScoringServer({ model, vocabSize, tokenize, ...change });
}

/** Options of a pass by these servers into a new folder. */
export async function servedOptions(
  tokenizerDirectory: string,
  dataFile: string,
  servers: readonly ScoringServer[],
  {
    server,
    ...change
  }: Partial<Omit<ServerScoreOptions, 'server'>> & { server?: Partial<ServerOptions> } = {},
): Promise<ServerScoreOptions> {
  return {
    ...{ tokenizerDirectory, dataFile, outDirectory: join(await freshFolder(), 'cache'), rowsPerShard: 16 },
    ...change,
    server: {
      kind: servers[0]!.script.kind,
      urls: servers.map(({ url }) => url),
      ...{ concurrency: 8, timing: fastTiming() },
      ...server,
    },
  };
}

export async function rowsOf(directory: string): Promise<CacheRow[]> {
  const reader = await CacheReader.open(directory);
  try {
    const all: CacheRow[] = [];
    // Rows in the order of the file are views of memory that is used again.
    for await (const row of reader.rows()) all.push(structuredClone(row));
    return all;
  } finally {
    await reader.close();
  }
}

/** Every file's name and bytes. */
export async function contents(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const named = files.sort().map(async (path): Promise<[string, string]> => {
    return [path.slice(directory.length), (await readFile(path)).toString('base64')];
  });
  return Object.fromEntries(await Promise.all(named));
}

/** The first problem of a pass that must fail. */
export async function problemOf(work: Promise<unknown>): Promise<InputError> {
  const failure: unknown = await work.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  );
  return failure instanceof InputErrors ? failure.problems[0]! : (failure as InputError);
}

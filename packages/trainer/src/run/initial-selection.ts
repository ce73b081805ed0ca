/**
 * `selectionFrom: initial`: which tokens are kept is decided once, by the scores of the policy that the run starts from, as in
 * SePO (arXiv 2408.13518), which also selects before it trains. The masks of all pairs that the run will see are made before its
 * first step and stay beside it: `initial-selection.bin`, and last `initial-selection.json` with its digest. They follow from policy,
 * cache and configuration alone, so what is missing or damaged is made again, the same.
 */
import { join } from 'node:path';
import {
  Interrupted,
  ProgressMeter,
  canonicalJson,
  parseShallowJson,
  publishBytes,
  publishFile,
  readRegularFile,
  sha256OfFile,
  type ProgressListener,
} from '@selective-dpo/foundation';
import type { CacheRow } from '@selective-dpo/data';
import type { CausalLM } from '@selective-dpo/model';
import type { PairSelection } from '../selection/select-tokens.js';
import { MaskFile, writeMasks, type RowMask } from '../selection/mask-file.js';
import { evaluateBatch, type MicroBatching, type Objective } from '../step/selective-step.js';

const MASKS_FILE = 'initial-selection.bin';
const SEAL_FILE = 'initial-selection.json';
const MAX_SEAL_BYTES = 4096;

/** Pairs whose rows are held at one time. */
const PAIRS_AT_ONCE = 64;

/** What the masks follow from, and how they are made. */
export interface InitialSelectionSource {
  runFingerprint: string;
  /** Rows of the cache, and which of them the run will see, each once. */
  cacheRows: number;
  rows: Uint32Array;
  readRow: (index: number) => Promise<CacheRow>;
  /** Of the first step. */
  objective: Objective;
  micro: MicroBatching;
  /** Loads the policy that the run starts from. */
  loadPolicy: () => Promise<CausalLM>;
  listener?: ProgressListener | undefined;
  signal?: AbortSignal | undefined;
}

export class InitialSelection {
  private constructor(private readonly masks: MaskFile) {}

  /**
   * Opens the masks of a run, and makes them where they are not there whole.
   * @param directory of the run, whose lock the caller holds.
   * @throws Interrupted when asked to stop while they are made; InputError `disk-full`, …
   */
  static async open(directory: string, source: InitialSelectionSource): Promise<InitialSelection> {
    const path = join(directory, MASKS_FILE);
    const seal = join(directory, SEAL_FILE);
    if (!(await isWhole(path, seal, source.runFingerprint))) {
      const policy = await source.loadPolicy();
      try {
        await publishFile(path, (handle) => writeMasks(handle, source.cacheRows, masksOf(policy, source)));
      } finally {
        policy.dispose();
      }
      const content = { runFingerprint: source.runFingerprint, sha256: await sha256OfFile(path) };
      await publishBytes(seal, `${canonicalJson(content)}\n`);
    }
    return new InitialSelection(await MaskFile.open(path, source.cacheRows));
  }

  /** What is kept of the pair in row `index` of the cache. @throws InputError `run-damaged`. */
  async selection(index: number, { chosenIds, rejectedIds }: CacheRow): Promise<PairSelection> {
    const mask = await this.masks.mask(index, chosenIds.length, rejectedIds.length);
    return { ...mask, chosenThreshold: NaN, rejectedThreshold: NaN };
  }

  async close(): Promise<void> {
    await this.masks.close();
  }
}

/** Whether the masks are those of this run, as they were written. */
async function isWhole(path: string, seal: string, runFingerprint: string): Promise<boolean> {
  try {
    const text = (await readRegularFile(seal, MAX_SEAL_BYTES)).toString('utf8');
    const found = parseShallowJson(text) as { runFingerprint?: unknown; sha256?: unknown } | null;
    return found?.runFingerprint === runFingerprint && found.sha256 === (await sha256OfFile(path));
  } catch {
    // Absent, cut short or altered: whatever the reason, they are made again.
    return false;
  }
}

async function* masksOf(
  policy: CausalLM,
  { rows, readRow, objective, micro, listener, signal }: InitialSelectionSource,
): AsyncGenerator<RowMask> {
  const meter = new ProgressMeter('select', 'pairs', rows.length);
  for (let begin = 0; begin < rows.length; begin += PAIRS_AT_ONCE) {
    if (signal?.aborted === true) {
      throw new Interrupted('stopped before the first step', 'run the same command with --resume');
    }
    const indices = [...rows.subarray(begin, begin + PAIRS_AT_ONCE)];
    const pairs = await Promise.all(indices.map(async (index) => ({ index, row: await readRow(index) })));
    const outcomes = await evaluateBatch(policy, pairs, objective, micro);
    for (const { row, selection } of outcomes) yield { row, mask: selection };
    listener?.(meter.advance(pairs.length));
  }
}

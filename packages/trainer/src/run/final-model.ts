/** `final/`: the trained policy as a Hugging Face model directory that transformers and vLLM load. */
import { lstat, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError, quoteValue, refuseLinkedFolder, requireFolder } from '@selective-dpo/foundation';
import { describeReference, type CacheManifest, type CacheReader } from '@selective-dpo/data';
import {
  WEIGHTS_FILE,
  WEIGHTS_INDEX_FILE,
  exportParameters,
  writeModelDirectory,
  type Engine,
  type JsonObject,
} from '@selective-dpo/model';
import type { TrainingConfig } from '../config/training-config.js';
import type { Policy } from '../policy.js';
import type { Metrics } from '../step/batch-metrics.js';
import type { TrainingState } from './checkpoint.js';
import { modelCard } from './model-card.js';

export interface FinalModelContext {
  config: TrainingConfig;
  cache: CacheReader;
  policy: Policy;
  engine: Engine;
  lastMetrics: { train?: Metrics; eval?: Metrics };
}

const isFile = async (path: string): Promise<boolean> =>
  (await lstat(path).catch(() => undefined))?.isFile() === true;

/**
 * Whether the folder holds a policy: it is published whole, as a run's last act, but may have been emptied since.
 * @throws InputError `final-damaged` where it holds something else, before a run is trained that could not be
 *   published there.
 */
export async function isFinished(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch(() => []);
  if (names.length === 0) return false;
  const weights = [WEIGHTS_FILE, WEIGHTS_INDEX_FILE].map((name) => isFile(join(directory, name)));
  if ((await isFile(join(directory, 'config.json'))) && (await Promise.all(weights)).includes(true))
    return true;
  throw new InputError('final-damaged', 'the folder of the trained policy holds no whole policy', {
    file: directory,
    found: quoteValue(names[0]),
    expected: `config.json and ${WEIGHTS_FILE} or ${WEIGHTS_INDEX_FILE}`,
    hint: 'remove this folder and resume again',
  });
}

/** Publishes the folder in one step and returns its path. @throws InputError `disk-full`, `not-a-folder`, `file-not-found`, … */
export async function exportFinal(
  directory: string,
  state: TrainingState,
  { config, cache, policy, engine, lastMetrics }: FinalModelContext,
): Promise<string> {
  const { inputs } = cache.manifest;
  await requireFolder(dirname(directory), 'the folder of the run');
  await refuseLinkedFolder(directory);
  await writeModelDirectory(directory, {
    config: state.model.config.raw as JsonObject,
    tensors: exportParameters(state.model.parameters),
    sourceDir: policy.directory,
    modelCard: modelCard({
      config,
      policySha256: policy.weightsSha256,
      cacheManifestSha256: cache.manifest.digest,
      datasetSha256: inputs.dataset.sha256,
      reference: describeReference(inputs.model),
      conversationFormat: conversationFormat(inputs.tokenizer),
      engine: Object.entries(engine.describe())
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
      steps: state.step,
      pairsSeen: state.pairsSeen,
      lastMetrics,
    }),
  });
  return directory;
}

/** A policy is used as it was trained: whoever loads it must know of a format that its tokenizer does not carry. */
export function conversationFormat({
  chatTemplate,
  chatTemplateGiven,
}: CacheManifest['inputs']['tokenizer']): string | undefined {
  if (chatTemplateGiven) {
    return `a chat template given to sdpo score (SHA-256 ${chatTemplate}), not the one of this tokenizer`;
  }
  return chatTemplate.startsWith('built-in:')
    ? `written as "\\n\\nHuman: …\\n\\nAssistant: …" (${chatTemplate})`
    : undefined;
}

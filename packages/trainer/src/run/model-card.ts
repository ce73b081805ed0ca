/** README.md of an exported policy: what it was trained from, on what, and how, for people and for the hub. */
import type { TrainingConfig } from '../config/training-config.js';
import type { Metrics } from '../step/batch-metrics.js';

export interface ModelCardFacts {
  config: TrainingConfig;
  /** Names and digests as the cache's manifest and the policy's files give them. */
  policySha256: string;
  cacheManifestSha256: string;
  datasetSha256: string;
  /** Digest of the reference's weights, or its name on a server. */
  reference: string;
  /** How conversations became text, where it was not by the tokenizer's own chat template. */
  conversationFormat: string | undefined;
  engine: string;
  steps: number;
  pairsSeen: number;
  /** Last figures of each split that has any. */
  lastMetrics: { train?: Metrics; eval?: Metrics };
}

/** Markdown with the hub's YAML header. Nothing of the dataset's text enters it. */
export function modelCard(facts: ModelCardFacts): string {
  const { config } = facts;
  const settings = Object.entries(config).map(([key, value]) => `| ${key} | ${String(value)} |`);
  return [
    '---',
    'library_name: transformers',
    'tags: [dpo, selective-dpo, preference-optimization]',
    '---',
    '',
    '# Policy trained with Selective-DPO',
    '',
    config.keep === 1 || config.selection === 'all'
      ? 'Trained with plain DPO (every response token) on cached reference log-probs.'
      : `Trained on the ${Math.round(config.keep * 100)}% of response tokens that the rule \`${config.selection}\` selects ` +
        'by comparing policy and reference (arXiv 2507.07725), on cached reference log-probs.',
    '',
    '| input | SHA-256 |',
    '|---|---|',
    `| policy weights before training | ${facts.policySha256} |`,
    `| reference weights | ${facts.reference} |`,
    `| preference dataset | ${facts.datasetSha256} |`,
    `| reference cache manifest | ${facts.cacheManifestSha256} |`,
    '',
    ...(facts.conversationFormat === undefined ? [] : [`Conversations: ${facts.conversationFormat}.`, '']),
    `Optimiser steps: ${facts.steps}. Pairs seen: ${facts.pairsSeen}. Engine: ${facts.engine}.`,
    '',
    '| setting | value |',
    '|---|---|',
    ...settings,
    '',
    ...metricsTable(facts.lastMetrics),
  ].join('\n');
}

function metricsTable(last: ModelCardFacts['lastMetrics']): string[] {
  const splits = Object.entries(last).filter((entry): entry is [string, Metrics] => entry[1] !== undefined);
  return splits.flatMap(([split, metrics]) => [
    `Last ${split} figures:`,
    '',
    '| figure | value |',
    '|---|---|',
    ...Object.entries(metrics)
      .filter(([name]) => !/^(seconds|memory)\/|\/s$/.test(name))
      .map(([name, value]) => `| ${name} | ${value.toPrecision(6)} |`),
    '',
  ]);
}

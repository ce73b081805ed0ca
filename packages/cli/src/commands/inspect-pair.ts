import { CacheReader, type PairTokenizer } from '@selective-dpo/data';
import {
  PairInspector,
  findPair,
  loadCacheTokenizer,
  rememberedVocabulary,
  vocabularyOf,
  type PairToken,
  type TokensOfPair,
} from '@selective-dpo/inspector';
import type { Side, TrainingConfig } from '@selective-dpo/trainer';
import type { ConsoleWriter } from '../console/console-writer.js';
import { formatCount } from '../console/format.js';
import { shownText, tokenLines } from '../console/token-lines.js';

export interface InspectPairOptions {
  cacheDirectory: string;
  pair: string;
  tokenizerDirectory: string | undefined;
  policyDirectory: string | undefined;
  config: TrainingConfig;
}

const MAX_WIDTH = 120;
/** Nats at which a tint is full. */
const FULL_TINT = { refLogp: 6, score: 3 };

/** `sdpo inspect CACHE --pair`: one pair on the terminal, or its numbers. */
export async function inspectPair(options: InspectPairOptions, writer: ConsoleWriter): Promise<void> {
  const { cacheDirectory, policyDirectory, config } = options;
  const cache = await CacheReader.open(cacheDirectory);
  try {
    const texts = await textsOf(cache, options);
    const index = await findPair(cache, options.pair);
    const inspector = await PairInspector.open(cache, config, policyDirectory);
    try {
      const pair = await inspector.tokens(index, config);
      writer.result(describe(pair, texts), lines(pair, texts, config, writer));
    } finally {
      inspector.dispose();
    }
  } finally {
    await cache.close();
  }
}

/** The texts of a cache's tokens. */
interface Texts {
  /** Of one token; parts of characters as their bytes: `⟨E2 82⟩`. */
  of(id: number): string;
  /** Its bytes in hexadecimal, where it holds parts of characters. */
  bytes(id: number): string | undefined;
  /** Of tokens one behind the other, with the characters that they make together. */
  joined(ids: Int32Array): string;
}

/** From `--tokenizer`, else the policy's, else the one given to an earlier call. */
async function textsOf(cache: CacheReader, options: InspectPairOptions): Promise<Texts> {
  const directory = options.tokenizerDirectory ?? options.policyDirectory;
  const tokenizer: PairTokenizer | undefined =
    directory === undefined ? undefined : await loadCacheTokenizer(directory, cache.manifest);
  const vocabulary = tokenizer ? vocabularyOf(tokenizer) : await rememberedVocabulary(cache.manifest);
  const text = (id: number) => vocabulary?.texts[id] ?? ` #${id}`;
  const bytes = (id: number) => vocabulary?.bytes?.[id];
  const bytesOf = (id: number) =>
    Buffer.from(bytes(id) ?? text(id), bytes(id) === undefined ? 'utf8' : 'hex');
  return {
    of: (id) =>
      bytes(id)
        ?.replace(/../g, ' $&')
        .replace(/^ (.*)$/, '⟨$1⟩')
        .toUpperCase() ?? text(id),
    bytes,
    joined: (ids) => Buffer.concat(Array.from(ids, bytesOf)).toString('utf8'),
  };
}

function describe({ index, row, tokens, thresholds }: TokensOfPair, texts: Texts): object {
  const side = (list: readonly PairToken[]) =>
    list.map(({ id, refLogp, policyLogp, score, kept }) => ({
      ...{ id, text: texts.of(id), bytes: texts.bytes(id), ref_logp: refLogp },
      ...{ policy_logp: policyLogp, score, kept },
    }));
  return {
    ...{ pair_index: index, pair_id: row.pairId, source_row: row.sourceRow },
    prompt: texts.joined(row.promptIds),
    chosen: side(tokens.chosen),
    rejected: side(tokens.rejected),
    thresholds,
  };
}

function lines(pair: TokensOfPair, texts: Texts, config: TrainingConfig, writer: ConsoleWriter): string[] {
  const { index, row, tokens } = pair;
  const hasPolicy = tokens.chosen[0]?.score !== undefined;
  const selects = tokens.chosen[0]?.kept !== undefined;
  const colour = writer.isTerminal && process.env['NO_COLOR'] === undefined;
  const width = Math.min(MAX_WIDTH, writer.columns);
  const sides = (['chosen', 'rejected'] as const).flatMap((side) => [
    '',
    sideHeading(side, pair),
    ...tokenLines(
      tokens[side].map((token) => tinted(token, texts)),
      colour,
      width,
    ),
  ]);
  const marks = colour ? 'bold and underlined' : '[in brackets]';
  return [
    `pair ${index}, ${shownText(row.pairId)}, row ${row.sourceRow} of the dataset`,
    '',
    `prompt (${formatCount(row.promptIds.length, 'token')})`,
    ...tokenLines([{ text: texts.joined(row.promptIds), tint: undefined, kept: false }], false, width),
    ...sides,
    '',
    ...(colour
      ? [
          hasPolicy
            ? 'colour: alignment score in nats, blue below 0, orange above (where training is due)'
            : 'colour: log-prob under the reference, orange near 0, blue where it is unlikely',
        ]
      : []),
    selects ? keptLine(config, marks) : 'nothing is selected without a policy: give --policy DIR',
  ];
}

function keptLine({ selection, keep, loss }: TrainingConfig, marks: string): string {
  return selection === 'all'
    ? `every token is kept and ${marks}: selection all${loss === 'sigmoid' ? '' : `, as loss ${loss} has it`}`
    : `kept tokens are ${marks}: selection ${selection}, keep ${keep}`;
}

function tinted(token: PairToken, texts: Texts) {
  const { id, refLogp, score, kept } = token;
  const tint = score === undefined ? 1 + (2 * refLogp) / FULL_TINT.refLogp : score / FULL_TINT.score;
  return { text: texts.of(id), tint: Math.max(-1, Math.min(1, tint)), kept: kept === true };
}

function sideHeading(side: Side, { tokens, thresholds }: TokensOfPair): string {
  const list = tokens[side];
  const sum = (figure: (token: PairToken) => number | undefined) =>
    list.reduce((total, token) => total + (figure(token) ?? 0), 0);
  const parts = [
    formatCount(list.length, 'token'),
    `reference ${sum(({ refLogp }) => refLogp).toFixed(2)} nats`,
    ...(list[0]?.policyLogp === undefined
      ? []
      : [`policy ${sum(({ policyLogp }) => policyLogp).toFixed(2)}`]),
    ...(list[0]?.kept === undefined ? [] : [`${list.filter(({ kept }) => kept).length} kept`]),
    ...(thresholds === undefined || Number.isNaN(thresholds[side])
      ? []
      : [`cut at ${thresholds[side].toFixed(3)}`]),
  ];
  return `${shownText(side)} (${parts.join(', ')})`;
}

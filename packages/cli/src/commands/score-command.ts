import type { Command } from 'commander';
import { requireFile } from '@selective-dpo/foundation';
import { PREFERENCE_LAYOUTS, type WorkerIndex } from '@selective-dpo/data';
import { ENGINE_CHOICES } from '@selective-dpo/model';
import {
  DEFAULT_BATCH_TOKENS,
  DEFAULT_CONCURRENCY,
  DEFAULT_ROWS_PER_SHARD,
  SERVER_KEY_VARIABLE,
  SERVER_KINDS,
  scoreDataset,
  type ScoreOptions,
  type ScoreResult,
  type ServerOptions,
  type ServerScoreOptions,
} from '@selective-dpo/ref-scorer';
import type { CommandContext } from '../command-context.js';
import { formatCount } from '../console/format.js';
import { ModelLocator, addOfflineOption } from '../model-locator.js';
import { OptionReader, collect } from '../options.js';
import { readTemplate } from './template-file.js';

const MAX_CONCURRENCY = 4096;
const MAX_PATIENCE_SECONDS = 7 * 86_400;
/** More have no use: a worker reads the whole dataset to find its shards. */
const MAX_WORKERS = 10_000;

/** `sdpo score`: stage one. */
export function addScoreCommand(program: Command, context: CommandContext): void {
  addOfflineOption(program.command('score'))
    .description('stage one: run the reference once over a preference dataset and cache every log-prob')
    .option('--model <dir>', 'the reference: Hugging Face model directory, or org/name[@revision] on the hub')
    .option('--data <file>', 'preference rows: JSONL, JSON, Parquet or Arrow')
    .option('--out <cache>', 'folder of the cache')
    .option('--tokenizer <dir>', "directory with the policy's tokenizer (default: the model's own)")
    .option('--chat-template <file>', "Jinja chat template in place of the tokenizer's own")
    .option('--layout <name>', `auto, ${PREFERENCE_LAYOUTS.join(', ')}`, 'auto')
    .option('--max-length <n>', 'tokens of prompt and longer response together', '1024')
    .option('--max-prompt-length <n>', 'tokens of the prompt')
    .option('--truncation <mode>', 'keep_start or keep_end', 'keep_start')
    .option('--limit <n>', 'first rows of the file only')
    .option('--engine <name>', ENGINE_CHOICES.join(', '), 'auto')
    .option('--precision <name>', 'fp32 or bf16-matmul', 'fp32')
    .option('--batch-tokens <n>', 'tokens computed at one time', String(DEFAULT_BATCH_TOKENS))
    .option(
      '--memory-limit <size>',
      'memory the process may take, e.g. 16GiB, or none; lowers --batch-tokens where needed',
    )
    .option('--top-logprobs <n>', 'likeliest tokens kept in the place of each one, for loss=distillation')
    .option('--rows-per-shard <n>', 'pairs in a shard', String(DEFAULT_ROWS_PER_SHARD))
    .option('--scorer <kind>', `local, ${SERVER_KINDS.join(', ')}: where the reference runs`, 'local')
    .option('--url <address>', 'of the server that runs the reference; again for its replicas', collect)
    .option('--served-model <name>', 'which of the server’s models')
    .option('--concurrency <n>', `requests at one time, a URL, at most (${DEFAULT_CONCURRENCY})`)
    .option('--patience <seconds>', 'how long all servers may be silent (600)')
    .option(
      '--reuse <cache>',
      'an earlier cache of a dataset that grew: shards of the same pairs are taken from it',
    )
    .option('--shard-index <i>', 'with --shard-count: score the shards of worker i alone, from 0 on')
    .option('--shard-count <n>', 'workers that fill this cache; sdpo cache merge closes it')
    .option('--json', 'one JSON object a line')
    .action((values: Record<string, unknown>, command: Command) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const given = (name: string) => command.getOptionValueSource(name) === 'cli';
        const scorer = options.oneOf('scorer', '--scorer', ['local', ...SERVER_KINDS]) ?? 'local';
        const reference =
          scorer === 'local' ? localOptions(options, given) : serverOptions(options, given, scorer);
        const request = {
          dataFile: options.required('data', '--data', 'a preference file'),
          outDirectory: options.required('out', '--out', 'a folder'),
          layout: options.oneOf('layout', '--layout', ['auto', ...PREFERENCE_LAYOUTS]),
          limit: options.whole('limit', '--limit', 1),
          limits: {
            maxLength: options.whole('maxLength', '--max-length', 2),
            maxPromptLength: options.whole('maxPromptLength', '--max-prompt-length', 1),
            truncation: options.oneOf('truncation', '--truncation', ['keep_start', 'keep_end']),
          },
          topLogprobs: options.whole('topLogprobs', '--top-logprobs', 1),
          rowsPerShard: options.whole('rowsPerShard', '--rows-per-shard', 1),
          worker: workerOf(options),
          reuseDirectory: options.text('reuse'),
        };
        options.finish();
        const template = options.text('chatTemplate');
        await requireFile(request.dataFile);
        const locator = new ModelLocator(values, writer.listen, signal);
        const result = await scoreDataset({
          ...(await locatedReference(reference, locator)),
          ...request,
          ...(template === undefined ? {} : { chatTemplate: await readTemplate(template) }),
          listener: writer.listen,
          signal,
        });
        writer.result(result, [
          ...describe(result),
          result.publishedShards !== undefined
            ? `when all workers have ended: sdpo cache merge ${result.directory}`
            : `look at it: sdpo inspect ${result.directory} --tokenizer ${reference.tokenizerDirectory ?? (reference as ScoreOptions).modelDirectory}`,
        ]);
      }),
    );
}

type ReferenceOptions =
  Omit<ScoreOptions, 'dataFile' | 'outDirectory'> | Omit<ServerScoreOptions, 'dataFile' | 'outDirectory'>;

/** The reference with folders in place of names on the hub. */
async function locatedReference(
  reference: ReferenceOptions,
  locator: ModelLocator,
): Promise<ReferenceOptions> {
  if ('server' in reference) {
    const { tokenizerDirectory } = reference;
    return { ...reference, tokenizerDirectory: await locator.tokenizerFolder(tokenizerDirectory) };
  }
  const { directory, origin } = await locator.model(reference.modelDirectory);
  const tokenizerDirectory = await locator.tokenizerFolder(reference.tokenizerDirectory);
  return { ...reference, modelDirectory: directory, modelOrigin: origin, tokenizerDirectory };
}

/** Options that mean nothing for the other kind of reference, and what to do without them. */
const OF_SERVERS = ['url', 'servedModel', 'concurrency', 'patience'] as const;
const OF_THIS_MACHINE = ['model', 'engine', 'precision', 'batchTokens', 'memoryLimit'] as const;

function refuseGiven(
  options: OptionReader,
  given: (name: string) => boolean,
  names: readonly string[],
  expected: string,
): void {
  for (const name of names.filter(given)) {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    options.refuse(flag, 'a value', expected);
  }
}

function localOptions(
  options: OptionReader,
  given: (name: string) => boolean,
): Omit<ScoreOptions, 'dataFile' | 'outDirectory'> {
  refuseGiven(options, given, OF_SERVERS, `none without --scorer ${SERVER_KINDS.join(' or ')}`);
  return {
    modelDirectory: options.required('model', '--model', 'a model directory'),
    tokenizerDirectory: options.text('tokenizer'),
    engine: options.oneOf('engine', '--engine', ENGINE_CHOICES),
    precision: options.oneOf('precision', '--precision', ['fp32', 'bf16-matmul']),
    batchTokens: options.whole('batchTokens', '--batch-tokens', 1),
    memoryLimit: options.memoryLimit('memoryLimit', '--memory-limit'),
  };
}

function serverOptions(
  options: OptionReader,
  given: (name: string) => boolean,
  kind: ServerOptions['kind'],
): Omit<ServerScoreOptions, 'dataFile' | 'outDirectory'> {
  const expected = `none with --scorer ${kind}: the server has the model; this machine needs --tokenizer alone`;
  refuseGiven(options, given, OF_THIS_MACHINE, expected);
  const patience = options.whole('patience', '--patience', 1, MAX_PATIENCE_SECONDS);
  return {
    tokenizerDirectory: options.required(
      'tokenizer',
      '--tokenizer',
      "a directory with the policy's tokenizer",
    ),
    server: {
      kind,
      urls: options.list('url', '--url', 'an address such as http://localhost:8000'),
      servedModel: options.text('servedModel'),
      key: process.env[SERVER_KEY_VARIABLE],
      concurrency: options.whole('concurrency', '--concurrency', 1, MAX_CONCURRENCY),
      ...(patience === undefined ? {} : { patienceMs: 1000 * patience }),
    },
  };
}

/** One of several workers, if so asked. */
function workerOf(options: OptionReader): WorkerIndex | undefined {
  const count = options.whole('shardCount', '--shard-count', 1, MAX_WORKERS);
  const index = options.whole('shardIndex', '--shard-index', 0, (count ?? MAX_WORKERS) - 1);
  if (index === undefined && count === undefined) return undefined;
  if (index !== undefined && count !== undefined) return { index, count };
  const [flag, other] =
    index === undefined ? ['--shard-count', '--shard-index'] : ['--shard-index', '--shard-count'];
  options.refuse(flag, `without ${other}`, 'both or neither');
  return undefined;
}

function describe(result: ScoreResult): string[] {
  const dropped = Object.entries(result.dropped);
  const total = dropped.reduce((sum, [, count]) => sum + (count ?? 0), 0);
  const size = `${formatCount(result.pairs, 'pair')} in ${formatCount(result.shards, 'shard')}`;
  return [
    result.alreadyComplete
      ? `${result.directory} already holds this cache: ${size}`
      : result.publishedShards === undefined
        ? `${result.directory}: ${size}`
        : `${result.directory}: ${formatCount(result.publishedShards, 'shard')} published now, of ${size}`,
    ...(result.reusedPairs === undefined
      ? []
      : [`${formatCount(result.reusedPairs, 'pair')} taken from the earlier cache, the others scored`]),
    total === 0
      ? 'no row was dropped'
      : `${formatCount(total, 'row')} dropped: ${dropped.map(([reason, count]) => `${count} ${reason}`).join(', ')} (dropped.jsonl)`,
  ];
}

import { counted } from '@selective-dpo/foundation';
import type { Command } from 'commander';
import { cacheInfo, isWeakReference, mergeCache, verifyCache, type CacheInfo } from '@selective-dpo/data';
import type { CommandContext } from '../command-context.js';
import { shownText } from '../console/token-lines.js';
import { addExportCommand, addImportCommand } from './cache-exchange.js';
import { formatBytes, twoColumns } from '../console/format.js';

/** `sdpo cache merge`, `verify`, `info`, `export` and `import`. */
export function addCacheCommand(program: Command, context: CommandContext): void {
  const cache = program.command('cache').description('look after reference caches');
  cache
    .command('merge')
    .argument('<cache>', 'folder that the workers of sdpo score --shard-index have filled')
    .description('close a cache when all its shards are there')
    .option('--json', 'one JSON object a line')
    .action((directory: string, values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const { manifest, alreadyComplete } = await mergeCache(directory, writer.listen, signal);
        const { rows, shards, dropped } = manifest;
        const size = `${counted(rows, 'pair')} in ${counted(shards.length, 'shard')}`;
        writer.result({ directory, alreadyComplete, pairs: rows, shards: shards.length, dropped }, [
          alreadyComplete ? `${directory} was closed before: ${size}` : `${directory}: ${size}`,
        ]);
      }),
    );
  cache
    .command('verify')
    .argument('<cache>', 'folder made by sdpo score')
    .description('check every byte and value of a cache')
    .option('--json', 'one JSON object a line')
    .action((directory: string, values: Record<string, unknown>) =>
      context.run(values, async (writer) => {
        const report = await verifyCache(directory, writer.listen);
        writer.result({ directory, ...report }, [
          `${directory} is whole: ${counted(report.rows, 'pair')}, ${counted(report.responseTokens, 'response token')} in ` +
            `${counted(report.shards, 'shard')}, ${formatBytes(report.bytes)}`,
        ]);
      }),
    );
  cache
    .command('info')
    .argument('<cache>', 'folder made by sdpo score')
    .description('what a cache holds and what it was made of')
    .option('--json', 'one JSON object a line')
    .action((directory: string, values: Record<string, unknown>) =>
      context.run(values, async (writer) => {
        const info = await cacheInfo(directory);
        writer.result({ directory, ...info }, [
          ...twoColumns([
            ['pairs', String(info.rows)],
            ['response tokens', String(info.responseTokens)],
            [
              'shards',
              `${info.shards}, ${formatBytes(info.bytes)}, of which Parquet ${formatBytes(info.parquetBytes)}`,
            ],
            ['mean reference log-prob', `${info.meanRefLogp.toFixed(4)} nats a token`],
            ['reference prefers chosen', describeReference(info)],
            ['dropped', shownText(describeDropped(info.dropped))],
          ]),
          'made of:',
          ...twoColumns(flatten(info.inputs)).map((line) => `  ${shownText(line)}`),
        ]);
      }),
    );
  addExportCommand(cache, context);
  addImportCommand(cache, context);
}

function describeReference({ reference, rows }: CacheInfo): string {
  const [sum, mean] = [reference.accuracy, reference.accuracyPerToken].map((share) =>
    (100 * share).toFixed(1),
  );
  const weak = isWeakReference(Math.round(reference.accuracy * rows), rows) ? '; weak, see sdpo inspect' : '';
  return `${sum}% of pairs by the sum, ${mean}% by the mean a token${weak}`;
}

function describeDropped(dropped: Partial<Record<string, number>>): string {
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`);
  return reasons.length === 0 ? 'none' : reasons.join(', ');
}

function flatten(value: object, prefix = ''): [string, string][] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]): [string, string][] =>
    inner !== null && typeof inner === 'object'
      ? flatten(inner, `${prefix}${key}.`)
      : [[`${prefix}${key}`, String(inner)]],
  );
}

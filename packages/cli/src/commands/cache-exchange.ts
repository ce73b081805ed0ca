import type { Command } from 'commander';
import { SERVED_NAME, exportTrl, importCache } from '@selective-dpo/data';
import { counted, quoteValue, requireFile } from '@selective-dpo/foundation';
import { DEFAULT_ROWS_PER_SHARD } from '@selective-dpo/ref-scorer';
import type { CommandContext } from '../command-context.js';
import { ModelLocator, addOfflineOption } from '../model-locator.js';
import { OptionReader } from '../options.js';
import { VERSION } from '../version.js';

const EXPORT_TARGETS = ['trl'] as const;

/** `sdpo cache export`: a cache for other programs. */
export function addExportCommand(cache: Command, context: CommandContext): void {
  cache
    .command('export')
    .argument('<cache>', 'folder made by sdpo score')
    .description('write a cache as one Parquet file that another trainer takes')
    .option('--to <program>', `for whom: ${EXPORT_TARGETS.join(', ')}`)
    .option('--out <file>', 'the Parquet file; nothing may be there yet')
    .option('--json', 'one JSON object a line')
    .action((directory: string, values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        options.requiredOneOf('to', '--to', EXPORT_TARGETS);
        const file = options.required('out', '--out', 'a file');
        options.finish();
        const pairs = await exportTrl(directory, file, { listener: writer.listen, signal });
        writer.result({ file, pairs }, [
          `${file}: ${counted(pairs, 'pair')} with ids and reference sums, as DPOTrainer has them after precomputing`,
        ]);
      }),
    );
}

/** `sdpo cache import`: a cache of what another program has scored. */
export function addImportCommand(cache: Command, context: CommandContext): void {
  addOfflineOption(cache.command('import'))
    .argument('<file>', 'JSON Lines, JSON, Parquet or Arrow with token ids and a log-prob a response token')
    .description('make a cache of log-probs that another program computed')
    .option(
      '--tokenizer <dir>',
      'folder of the tokenizer that the ids were made with, or org/name[@revision] on the hub',
    )
    .option('--reference <name>', 'name of the model that gave the log-probs')
    .option('--out <dir>', 'folder of the cache')
    .option('--rows-per-shard <n>', 'pairs in a shard', String(DEFAULT_ROWS_PER_SHARD))
    .option('--json', 'one JSON object a line')
    .action((dataFile: string, values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const tokenizer = options.required('tokenizer', '--tokenizer', 'a model or tokenizer directory');
        const reference = options.required('reference', '--reference', 'the name of a model');
        const outDirectory = options.required('out', '--out', 'a folder');
        const rowsPerShard = options.whole('rowsPerShard', '--rows-per-shard', 1, 1 << 20)!;
        if (reference !== '' && !SERVED_NAME.test(reference))
          options.refuse(
            '--reference',
            quoteValue(reference),
            'a name of letters, digits and ./:@+_- and spaces',
          );
        options.finish();
        await requireFile(dataFile);
        const locator = new ModelLocator(values, writer.listen, signal);
        const tokenizerDirectory = await locator.tokenizerFolder(tokenizer);
        const { rows, shards, dropped } = await importCache({
          ...{ dataFile, tokenizerDirectory, reference, outDirectory, rowsPerShard, toolVersion: VERSION },
          ...{ listener: writer.listen, signal },
        });
        writer.result({ directory: outDirectory, pairs: rows, shards: shards.length, dropped }, [
          `${outDirectory}: ${counted(rows, 'pair')} in ${counted(shards.length, 'shard')}`,
        ]);
      }),
    );
}

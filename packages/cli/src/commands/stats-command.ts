import type { Command } from 'commander';
import { BYTE_SIZE_EXPECTED, NO_LIMIT, formatByteSize } from '@selective-dpo/foundation';
import {
  CACHE_VIEWS,
  CacheDatabase,
  LEAST_MEMORY_LIMIT,
  NOT_COMPUTED,
  ask,
  cacheStatistics,
} from '@selective-dpo/stats';
import type { CommandContext } from '../command-context.js';
import { printAnswer, type AnswerFormat } from '../console/answer-printer.js';
import { statisticsLines } from '../console/statistics-lines.js';
import { twoColumns } from '../console/format.js';
import { OptionReader } from '../options.js';

/** Rows of a table, unless asked for otherwise. */
const SHOWN_ROWS = 40;

/** `sdpo stats`: the figures of a cache, and questions to it in SQL. */
export function addStatsCommand(program: Command, context: CommandContext): void {
  program
    .command('stats')
    .argument('<cache>', 'folder made by sdpo score')
    .description('figures of a cache, or the answer to a question of your own in SQL')
    .option('--sql <select>', 'a SELECT of the views below, in DuckDB’s dialect')
    .option('--csv', 'with --sql: all rows as CSV')
    .option('--rows <n>', `with --sql: rows of the table (${SHOWN_ROWS})`)
    .option('--verify', 'check the digests of the shards first')
    .option(
      '--memory-limit <size>',
      'memory that DuckDB may take (1GiB), single huge values of your own --sql not counted; it goes on in a temporary folder',
    )
    .option('--json', 'one JSON object a line; with --sql one for every row')
    .addHelpText(
      'after',
      `\nViews:\n${twoColumns(Object.entries(CACHE_VIEWS))
        .map((line) => `  ${line}`)
        .join('\n')}\n`,
    )
    .action((directory: string, values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const { sql, format, rows, ...options } = readOptions(values);
        const cache = await CacheDatabase.open(directory, { ...options, signal });
        try {
          if (sql !== undefined) {
            await printAnswer(writer, await ask(cache, sql), format, rows);
            return;
          }
          const statistics = await cacheStatistics(cache, writer.listen);
          writer.result({ directory, ...statistics, notComputed: NOT_COMPUTED }, statisticsLines(statistics));
        } finally {
          await cache.close();
        }
      }),
    );
}

interface StatsOptions {
  sql: string | undefined;
  format: AnswerFormat;
  rows: number;
  verify: boolean;
  memoryLimit: number | undefined;
}

function readOptions(values: Record<string, unknown>): StatsOptions {
  const options = new OptionReader(values);
  const [sql, csv, json] = [options.text('sql'), options.flag('csv'), options.flag('json')];
  const rows = options.whole('rows', '--rows', 1);
  const memoryLimit = options.memoryLimit('memoryLimit', '--memory-limit');
  // DuckDB would take most of the machine's memory, and has a folder to go on in.
  if (options.text('memoryLimit') === NO_LIMIT) {
    options.refuse('--memory-limit', NO_LIMIT, BYTE_SIZE_EXPECTED);
  }
  if (memoryLimit !== undefined && memoryLimit < LEAST_MEMORY_LIMIT) {
    options.refuse(
      '--memory-limit',
      formatByteSize(memoryLimit),
      `at least ${formatByteSize(LEAST_MEMORY_LIMIT)}`,
    );
  }
  if (sql === undefined && csv) options.refuse('--csv', 'no --sql', '--sql, whose rows it prints');
  if (sql === undefined && rows !== undefined)
    options.refuse('--rows', 'no --sql', '--sql, whose rows it counts');
  if (csv && json) options.refuse('--csv', '--json', 'one of them');
  if (rows !== undefined && (csv || json))
    options.refuse('--rows', csv ? '--csv' : '--json', 'a table: those give all rows');
  options.finish();
  const format = csv ? 'csv' : json ? 'json' : 'table';
  return { sql, format, rows: rows ?? SHOWN_ROWS, verify: options.flag('verify'), memoryLimit };
}

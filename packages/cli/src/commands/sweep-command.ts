import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { quoteValue } from '@selective-dpo/foundation';
import {
  DEFAULT_METRIC,
  collectSweep,
  commandLines,
  figuresBeside,
  planSweep,
  refuseAbsentMetric,
  refuseUnheldMetric,
  REPORT_FILE,
  runSweep,
  writeNxProjects,
  type RunResult,
  type SweepResult,
} from '@selective-dpo/sweeps';
import type { CommandContext } from '../command-context.js';
import type { ConsoleWriter } from '../console/console-writer.js';
import { formatCount } from '../console/format.js';
import { SweepScreen } from '../console/sweep-screen.js';
import { renderTable, type TableRow } from '../demo/result-table.js';
import { ModelLocator, addOfflineOption } from '../model-locator.js';
import { OptionReader } from '../options.js';

const MAX_PARALLEL = 256;
/** Rows of the table at the end; the files have all. */
const MAX_ROWS = 50;

/** What is done instead of running: name and flag. */
const INSTEAD = { printCommands: '--print-commands', collect: '--collect', nx: '--nx' };

/** Program and first words of this command line, for processes of their own. */
const PROGRAM = [process.execPath, fileURLToPath(new URL('../../bin/sdpo.js', import.meta.url))];

/** `sdpo sweep`: many training runs out of one file. */
export function addSweepCommand(program: Command, context: CommandContext): void {
  addOfflineOption(program.command('sweep'))
    .description('run a grid of trainings; the same command again goes on where it was stopped')
    .argument('<file>', 'YAML: policy, cache, base, grid, list, runs, seeds')
    .option('--out <dir>', 'folder of the sweep: runs and results')
    .option('--parallel <n>', 'runs at one time', '1')
    .option('--metric <name>', `figure that is shown first, with its split (default: ${DEFAULT_METRIC})`)
    .option('--print-commands', 'one command line a run that is not finished; nothing is started')
    .option('--collect', 'gather the results of what ran elsewhere; nothing is started')
    .option('--nx', 'write one Nx project a run, for nx run-many -t train; nothing is started')
    .option('--json', 'one JSON object a line')
    .action((file: string, values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const directory = options.required('out', '--out', 'a folder');
        const parallel = options.whole('parallel', '--parallel', 1, MAX_PARALLEL) ?? 1;
        const asked = options.text('metric');
        const metric = asked ?? DEFAULT_METRIC;
        const others = figuresBeside(metric);
        if (others !== undefined)
          options.refuse('--metric', quoteValue(metric), `one of ${others.join(', ')}`);
        const modes = Object.entries(INSTEAD).filter(([name]) => options.flag(name));
        for (const [, flag] of modes.slice(1)) options.refuse(flag, `with ${modes[0]![1]}`, 'one of both');
        options.finish();
        const locator = new ModelLocator(values, writer.listen, signal);
        const plan = await planSweep(file, locator);
        if (asked !== undefined) refuseUnheldMetric(asked, plan);
        const mode = modes[0]?.[0];
        if (mode === 'printCommands') {
          const commands = await commandLines(plan, directory, PROGRAM);
          writer.result({ commands }, commands);
          return;
        }
        if (mode === 'nx') {
          const projects = await writeNxProjects(plan, directory, PROGRAM);
          const hint = 'run them with: npx nx run-many -t train';
          writer.result({ projects }, [`${formatCount(projects.length, 'project')} written; ${hint}`]);
          return;
        }
        const listener = new SweepScreen(writer, metric).listen;
        const request = { plan, directory, metric, listener };
        const result =
          mode === 'collect'
            ? await collectSweep(request)
            : await runSweep({ ...request, parallel, program: PROGRAM, signal });
        report(writer, result, plan.sweptKeys, metric);
        if (asked !== undefined) refuseAbsentMetric(asked, result.runs);
      }),
    );
}

/** Tells the results; the exit code tells of failed runs. */
function report(
  writer: ConsoleWriter,
  result: SweepResult,
  sweptKeys: readonly string[],
  metric: string,
): void {
  const { directory, runs, failures, finishedBefore } = result;
  const missing = runs.filter(({ run }) => run.status === 'missing').map(({ run }) => run.name);
  const finished = runs.filter(({ run }) => run.status === 'finished').length;
  const summary =
    `${finished} of ${formatCount(runs.length, 'run')} finished` +
    (finishedBefore > 0 ? `, ${finishedBefore} of them before` : '') +
    `; results and ${REPORT_FILE} in ${directory}`;
  const value = {
    ...{ directory, finished, finishedBefore, failures, missing },
    runs: runs.map(({ run: { name, key, seed, status, values, metrics }, steps }) => ({
      ...{ name, key, seed, status, values, steps, metrics },
    })),
  };
  writer.result(value, [
    ...tableOf(runs, sweptKeys, metric),
    ...missing.map((name) => `missing ${name}`),
    ...failures.map(({ run, message }) => `failed ${run}: ${message}`),
    summary,
  ]);
  if (failures.length > 0) process.exitCode = failures.some(({ badInput }) => badInput) ? 2 : 1;
}

function tableOf(runs: readonly RunResult[], sweptKeys: readonly string[], metric: string): string[] {
  const figure = (value: number | undefined) => (value === undefined ? '–' : value.toFixed(4));
  const names = [...new Set([metric, 'eval/loss', 'train/loss'])];
  const rows = runs
    .slice(0, MAX_ROWS)
    .map(({ run, steps }): TableRow => [
      run.name,
      ...sweptKeys.map((key) => String(run.values[key])),
      ...[String(run.seed), run.status, String(steps ?? '–')],
      ...names.map((name) => figure(run.metrics[name])),
    ]);
  const rest = runs.length - rows.length;
  return [
    ...renderTable([['run', ...sweptKeys, 'seed', 'status', 'steps', ...names], ...rows]),
    ...(rest > 0 ? [`  and ${formatCount(rest, 'more run')}, in results.csv`] : []),
  ];
}

import type { Command } from 'commander';
import { readManifest } from '@selective-dpo/data';
import {
  SPLITS,
  evaluatePreferences,
  publishPairTable,
  type Estimate,
  type ModelReport,
  type NamedModel,
  type PreferenceReport,
} from '@selective-dpo/evaluation';
import type { CommandContext } from '../command-context.js';
import { formatCount } from '../console/format.js';
import { renderTable, type TableRow } from '../demo/result-table.js';
import { ModelLocator, addOfflineOption } from '../model-locator.js';
import { OptionReader, collect } from '../options.js';

/** `sdpo eval preferences`: held-out figures of models. */
export function addEvalPreferencesCommand(evaluation: Command, context: CommandContext): void {
  addOfflineOption(evaluation.command('preferences'))
    .description('how well models tell chosen from rejected responses of a cache, with 95% intervals')
    .argument('[settings...]', 'key=value, as for sdpo train: keep, selection, beta, engine, …')
    .option(
      '--model <dir>',
      'model directory, run, checkpoint, or org/name[@revision] on the hub; may be given again',
      collect,
      [],
    )
    .option('--cache <dir>', 'folder made by sdpo score')
    .option('--split <name>', SPLITS.join(', '), 'heldout')
    .option(
      '--run <dir>',
      'the run whose held-out pairs and settings are meant (default: of the first model)',
    )
    .option('--out <file>', 'figures of every pair, as .parquet or .csv')
    .option('--json', 'one JSON object a line')
    .action((settings: string[], values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const given = options.list('model', '--model', 'a model directory or a run');
        const cacheDirectory = options.required('cache', '--cache', 'a cache made by sdpo score');
        const split = options.oneOf('split', '--split', SPLITS) ?? 'heldout';
        options.finish();
        const out = options.text('out');
        await readManifest(cacheDirectory);
        const locator = new ModelLocator(values, writer.listen, signal);
        const models: NamedModel[] = [];
        for (const model of given) models.push(await locator.model(model));
        const request = {
          ...{ models, cacheDirectory, split, settings, runDirectory: options.text('run') },
          ...{ listener: writer.listen, signal },
        };
        const report =
          out === undefined
            ? await evaluatePreferences(request)
            : await publishPairTable(out, (onPairs) => evaluatePreferences({ ...request, onPairs }));
        writer.result(report, describe(report, out));
      }),
    );
}

/** Gathers an option that may be given again. */
function describe(report: PreferenceReport, out: string | undefined): string[] {
  const { settings, models, differences } = report;
  return [
    `${formatCount(report.pairs, 'pair')} (${report.split}), selection ${settings.selection}, keep ${settings.keep}, ` +
      `beta ${settings.beta}; means with 95% bootstrap intervals over pairs`,
    ...renderTable([
      ['', ...models.map(({ model }) => model)],
      ...Object.keys(models[0]!.intervals).map((name): TableRow => [
        name,
        ...models.map(({ intervals }) => shown(name, intervals[name]!)),
      ]),
    ]),
    ...(differences.length === 0
      ? []
      : [
          `less ${differences[0]!.baseline}, on the same pairs`,
          ...renderTable([
            ['', ...differences.map(({ model }) => model)],
            ...Object.keys(differences[0]!.differences).map((name): TableRow => [
              name,
              ...differences.map((one) => shown(name, one.differences[name]!, true)),
            ]),
          ]),
        ]),
    'tokens: mean, and 5th, 50th and 95th percentile (each within 0.5%), in nats',
    ...renderTable([['', ...models.map(({ model }) => model)], ...tokenRows(models)]),
    'share of the tokens that are kept, by position in the response',
    ...renderTable([['', ...models.map(({ model }) => model)], ...positionRows(models)]),
    ...(out === undefined ? [] : [`figures of every pair: ${out}`]),
  ];
}

function shown(name: string, { value, low, high }: Estimate, signed = false): string {
  const share = name.endsWith('/accuracies');
  const number = (figure: number) => (share ? `${(100 * figure).toFixed(1)}%` : figure.toFixed(3));
  return `${signed && value > 0 ? '+' : ''}${number(value)} [${number(low)}, ${number(high)}]`;
}

function tokenRows(models: readonly ModelReport[]): TableRow[] {
  const kinds = [
    ['policy log-prob', 'policyLogps'],
    ['reference log-prob', 'refLogps'],
    ['alignment score', 'alignmentScores'],
  ] as const;
  return (['chosen', 'rejected'] as const).flatMap((side) =>
    kinds.flatMap(([label, kind]) =>
      (['all', 'kept'] as const).map((which): TableRow => [
        `${side}, ${label}${which === 'kept' ? ', kept' : ''}`,
        ...models.map(({ tokens }) => {
          const found = tokens[side][which][kind];
          return found === undefined
            ? '–'
            : [found.mean, found.p5, found.p50, found.p95].map((figure) => figure.toFixed(2)).join('  ');
        }),
      ]),
    ),
  );
}

function positionRows(models: readonly ModelReport[]): TableRow[] {
  return (['chosen', 'rejected'] as const).flatMap((side) =>
    models[0]!.tokens[side].keptByPosition.map(({ first, last }, bucket): TableRow => [
      `${side}, ${first === last ? `token ${first + 1}` : `tokens ${first + 1} to ${last + 1}`}`,
      ...models.map(({ tokens }) => {
        const { kept, tokens: all } = tokens[side].keptByPosition[bucket]!;
        return `${((100 * kept) / all).toFixed(1)}% of ${all}`;
      }),
    ]),
  );
}

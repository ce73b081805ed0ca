import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { readManifest } from '@selective-dpo/data';
import { refuseInside } from '@selective-dpo/foundation';
import {
  RUN_CONFIG_FILE,
  describeTrainingKeys,
  resolveTrainingConfig,
  train,
  type TrainResult,
} from '@selective-dpo/trainer';
import type { CommandContext } from '../command-context.js';
import { formatCount, twoColumns } from '../console/format.js';
import { ModelLocator, addOfflineOption } from '../model-locator.js';
import { OptionReader } from '../options.js';

/** `sdpo train`: stage two. */
export function addTrainCommand(program: Command, context: CommandContext): void {
  addOfflineOption(program.command('train'))
    .description('stage two: train a policy on a reference cache')
    .argument('[settings...]', 'key=value, see below')
    .option(
      '--policy <dir>',
      'what to start from: Hugging Face model directory, or org/name[@revision] on the hub',
    )
    .option('--cache <dir>', 'folder made by sdpo score')
    .option('--out <run>', 'folder of the run')
    .option('--memory-limit <size>', 'memory the process may take, e.g. 16GiB: short for memoryLimit=16GiB')
    .option('--config <file>', 'YAML file of settings; key=value words win over it')
    .option('--resume', 'go on from the newest checkpoint of the run, with the settings it was started with')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', settingsHelp())
    .action((settings: string[], values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const policy = options.required('policy', '--policy', 'a model directory');
        const cacheDirectory = options.required('cache', '--cache', 'a cache made by sdpo score');
        const outDirectory = options.required('out', '--out', 'a folder');
        options.finish();
        await refuseInside(outDirectory, cacheDirectory);
        const resume = options.flag('resume');
        const file = options.text('config') ?? (resume ? await configOfRun(outDirectory) : undefined);
        const limit = options.text('memoryLimit');
        const words = limit === undefined ? settings : [...settings, `memoryLimit=${limit}`];
        const config = await resolveTrainingConfig(file, words);
        await readManifest(cacheDirectory);
        const locator = new ModelLocator(values, writer.listen, signal);
        const result = await train({
          policyDirectory: (await locator.model(policy)).directory,
          cacheDirectory,
          outDirectory,
          config,
          resume,
          listener: writer.listen,
          onMetrics: writer.metrics,
          signal,
        });
        writer.result(result, describe(result));
      }),
    );
}

/** The settings a run was started with, if there is one. */
async function configOfRun(directory: string): Promise<string | undefined> {
  const file = join(directory, RUN_CONFIG_FILE);
  return (await stat(file).catch(() => undefined))?.isFile() === true ? file : undefined;
}

function settingsHelp(): string {
  const rows = describeTrainingKeys().map(
    (entry) => [`  ${entry.key}=${entry.default}`, entry.meaning] as const,
  );
  return `\nSettings and their defaults:\n${twoColumns(rows).join('\n')}\n`;
}

function describe(result: TrainResult): string[] {
  const { train: last, eval: held } = result.lastMetrics;
  const { reference } = result;
  return [
    result.alreadyComplete
      ? `the run was finished before, after ${formatCount(result.steps, 'step')}; the policy is in ${result.finalDirectory}`
      : `${formatCount(result.steps, 'step')} done; the policy is in ${result.finalDirectory}`,
    ...(last === undefined ? [] : [`last training loss ${last['loss']!.toFixed(4)}`]),
    ...(reference === undefined
      ? []
      : [
          `the reference finds the chosen answer likelier in ` +
            `${((100 * reference.ordered) / reference.pairs).toFixed(1)}% of ${formatCount(reference.pairs, 'pair')}`,
        ]),
    ...(held === undefined
      ? []
      : [
          `held-out loss ${held['loss']!.toFixed(4)}, chosen answer likelier in ` +
            `${(100 * held['logps/accuracies']!).toFixed(1)}% of pairs, its reward higher in ` +
            `${(100 * held['rewards/accuracies']!).toFixed(1)}%`,
        ]),
  ];
}

import type { Command } from 'commander';
import {
  engineInfo,
  installTensorflowEngine,
  type AvailableEngine,
  type MissingEngine,
} from '@selective-dpo/model';
import type { CommandContext } from '../command-context.js';
import { formatBytes, twoColumns } from '../console/format.js';
import { OptionReader } from '../options.js';

/** `sdpo engine info` and `sdpo engine install`. */
export function addEngineCommand(program: Command, context: CommandContext): void {
  const engine = program.command('engine').description('the kernels that models run on');
  engine
    .command('info')
    .description('which engines are there, how fast they are, what to do for more')
    .option('--json', 'one JSON object a line')
    .action((values: Record<string, unknown>) =>
      context.run(values, async (writer) => {
        const info = await engineInfo();
        const rows = info.engines.map((found): [string, string] => [
          found.name,
          found.available ? described(found) : missing(found),
        ]);
        writer.result(info, [
          `${info.cores} cores, ${formatBytes(info.memoryBytes)} of memory; --engine auto takes ${info.auto}`,
          ...twoColumns(rows),
        ]);
      }),
    );
  engine
    .command('install')
    .description(
      'install the TensorFlow engine: fetches its wheel with pip and compiles the binding with g++',
    )
    .option('--gpu', 'with CUDA libraries, for NVIDIA GPUs (Linux x64)')
    .option('--python <command>', 'a Python 3 with pip', 'python3')
    .option('--json', 'one JSON object a line')
    .action((values: Record<string, unknown>) =>
      context.run(values, async (writer) => {
        const options = new OptionReader(values);
        const folder = await installTensorflowEngine({
          gpu: options.flag('gpu'),
          python: options.text('python') ?? 'python3',
          listener: writer.listen,
        });
        writer.result({ folder }, [
          `the TensorFlow engine is in ${folder}; --engine auto takes it from now on`,
        ]);
      }),
    );
}

function described({ gflops, versions, adapter }: AvailableEngine): string {
  const speed = gflops === undefined ? 'not measured' : `${Math.round(gflops)} GFLOP/s float32`;
  const where = adapter === undefined ? '' : ` on ${adapter.name}`;
  const software =
    adapter?.software === true ? ' (a software driver, only taken when asked for by name)' : '';
  return `${speed}, ${versions}${where}${software}`;
}

function missing({ problem, hint }: MissingEngine): string {
  return `not available: ${problem}${hint === undefined ? '' : `; ${hint}`}`;
}

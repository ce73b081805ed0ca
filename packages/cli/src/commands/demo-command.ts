import type { Command } from 'commander';
import { ENGINE_CHOICES } from '@selective-dpo/model';
import type { CommandContext } from '../command-context.js';
import { runDemo } from '../demo/run-demo.js';
import { OptionReader } from '../options.js';

/** `sdpo demo`: both stages on what the package carries. */
export function addDemoCommand(program: Command, context: CommandContext): void {
  program
    .command('demo')
    .description('both stages on the models and preferences that come with this package')
    .option('--out <dir>', 'folder for what it makes', 'demo-out')
    .option('--engine <name>', ENGINE_CHOICES.join(', '), 'wasm')
    .option('--json', 'one JSON object a line')
    .action((values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const engine = options.oneOf('engine', '--engine', ENGINE_CHOICES) ?? 'wasm';
        options.finish();
        await runDemo({ outDirectory: options.text('out') ?? 'demo-out', engine, writer, signal });
      }),
    );
}

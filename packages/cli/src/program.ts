import { Command } from 'commander';
import type { CommandContext } from './command-context.js';
import { addCacheCommand } from './commands/cache-command.js';
import { addDemoCommand } from './commands/demo-command.js';
import { addEngineCommand } from './commands/engine-command.js';
import { addEvalCommand } from './commands/eval-command.js';
import { addFetchCommand } from './commands/fetch-command.js';
import { addGenerateCommand } from './commands/generate-command.js';
import { addInspectCommand } from './commands/inspect-command.js';
import { addScoreCommand } from './commands/score-command.js';
import { addServeCommand } from './commands/serve-command.js';
import { addStatsCommand } from './commands/stats-command.js';
import { addSweepCommand } from './commands/sweep-command.js';
import { addTrainCommand } from './commands/train-command.js';
import { usageError } from './usage-error.js';
import { VERSION } from './version.js';

/**
 * The whole command line; nothing is printed for failures of parsing.
 * @throws (when it parses) InputError `command-line`; CommanderError where help or the version was printed.
 */
export function buildProgram(context: CommandContext): Command {
  const program = new Command('sdpo')
    .description(
      'Selective-DPO in two stages: score a preference dataset once with a strong reference, then train small ' +
        'policies on the cache, optimising only the tokens on which they disagree most.',
    )
    .version(VERSION);
  addScoreCommand(program, context);
  addTrainCommand(program, context);
  addSweepCommand(program, context);
  addEvalCommand(program, context);
  addInspectCommand(program, context);
  addGenerateCommand(program, context);
  addServeCommand(program, context);
  addFetchCommand(program, context);
  addCacheCommand(program, context);
  addStatsCommand(program, context);
  addEngineCommand(program, context);
  addDemoCommand(program, context);
  for (const command of withSubcommands(program)) {
    command.exitOverride((error) => {
      const wasHelp = error.exitCode === 0 || error.code === 'commander.help';
      throw wasHelp ? error : usageError(error, command);
    });
    command.configureOutput({ outputError: () => undefined });
  }
  return program;
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

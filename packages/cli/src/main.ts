/** The command `sdpo`: reads the words, runs one command, sets the exit code. */
import { CommanderError, type Command } from 'commander';
import { InputError } from '@selective-dpo/foundation';
import { ConsoleWriter } from './console/console-writer.js';
import { buildProgram } from './program.js';

/** Ctrl-C asks to stop at the next safe point; a second one stops at once. */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
      process.stderr.write('\nstopping at the next safe point; press Ctrl-C again to stop at once\n');
    });
  }
  return controller.signal;
}

// A reader such as `head` that has seen enough is no reason to fail.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const signal = stopOnSignals();
const program: Command = buildProgram({
  async run(values, body) {
    const writer = new ConsoleWriter(process.stdout, process.stderr, values['json'] === true);
    try {
      await body(writer, signal);
    } catch (error) {
      process.exitCode = writer.failure(error);
    }
  },
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode !== 0) {
    const writer = new ConsoleWriter(process.stdout, process.stderr, process.argv.includes('--json'));
    const message = error.message.replace(/^error: /, '');
    process.exitCode = writer.failure(new InputError('command-line', message, { hint: 'see sdpo --help' }));
  }
}

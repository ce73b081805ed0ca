/** The command `sdpo`: reads the words, runs one command, sets the exit code. */
import { CommanderError, type Command } from 'commander';
import { InputError, describeProblem, explainSystemError } from '@selective-dpo/foundation';
import { STOP_WITH_PARENT } from '@selective-dpo/sweeps';
import { ConsoleWriter } from './console/console-writer.js';
import { buildProgram } from './program.js';

/** Seconds after which work ends that comes to no safe point once its sweep is gone. */
const LAST_SECONDS = 30;

/** Ctrl-C (or a terminal that goes away) asks to stop at the next safe point; a second one stops at once. */
function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  stopWithParent(controller);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
      process.stderr.write('\nstopping at the next safe point; press Ctrl-C again to stop at once\n');
    });
  }
  return controller.signal;
}

/** A run of a sweep stops when the sweep's process is gone, however that ended: then the channel between them closes. */
function stopWithParent(controller: AbortController): void {
  if (process.env[STOP_WITH_PARENT] !== '1' || process.send === undefined) return;
  const stop = () => {
    controller.abort();
    setTimeout(() => process.exit(130), 1000 * LAST_SECONDS).unref();
  };
  if (!process.connected) stop();
  process.once('disconnect', stop);
  // The listener alone is no reason to go on running.
  process.channel?.unref();
}

/**
 * A reader such as `head` that has seen enough, or a terminal that is gone, is no reason to end long work. Output that cannot
 * be written for another reason (a full disk) is said once; the work goes on, and the exit code tells.
 */
function outliveOutput(): void {
  let said = false;
  for (const [name, stream] of [
    ['standard output', process.stdout],
    ['standard error', process.stderr],
  ] as const) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'EIO' || said) return;
      said = true;
      outputFailed = true;
      const problem = explainSystemError(error, name);
      if (stream !== process.stderr && problem instanceof InputError) {
        process.stderr.write(`error: ${describeProblem(problem)}\n`);
      }
    });
  }
}

let outputFailed = false;
outliveOutput();
process.on('exit', () => {
  if (outputFailed && (process.exitCode ?? 0) === 0) process.exitCode = 2;
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
  // Help was printed; asked for by nobody, it is a failure.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (!(error instanceof InputError)) throw error;
  else {
    const writer = new ConsoleWriter(process.stdout, process.stderr, process.argv.includes('--json'));
    process.exitCode = writer.failure(error);
  }
}

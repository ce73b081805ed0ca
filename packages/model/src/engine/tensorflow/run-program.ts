/** Runs other programs for the installation and for measurements, with a deadline and an account of what went wrong. */
import { spawn } from 'node:child_process';
import { InputError } from '@selective-dpo/foundation';

/** How much of a program's output is kept: the end, where errors stand. */
const KEPT_CHARACTERS = 16_000;

export interface ProgramResult {
  /** undefined when a signal ended it. */
  code: number | undefined;
  signal: string | undefined;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Variables in place of this process's own environment. */
  env?: NodeJS.ProcessEnv;
  /** Milliseconds after which it is killed. */
  deadline?: number;
}

/**
 * Runs a program to its end, whatever that is.
 * @throws InputError `tool-missing` if it cannot be started.
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: options.env ?? process.env,
      ...(options.deadline === undefined
        ? {}
        : { timeout: options.deadline, killSignal: 'SIGKILL' as const }),
    });
    const kept = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8');
      child[stream].on('data', (text: string) => {
        kept[stream] = (kept[stream] + text).slice(-KEPT_CHARACTERS);
      });
    }
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        new InputError('tool-missing', `${command} cannot be started`, {
          found: error.code ?? error.message,
        }),
      ),
    );
    child.on('close', (code, signal) =>
      resolve({ code: code ?? undefined, signal: signal ?? undefined, ...kept }),
    );
  });
}

/** The last lines a program wrote, or how it ended, for a message. */
export function lastWords({ code, signal, stdout, stderr }: ProgramResult): string {
  const lines = (stderr.trim() || stdout.trim()).split('\n').filter((line) => line.trim() !== '');
  const end = signal === undefined ? `exit code ${code}` : `killed by ${signal}`;
  return [end, ...lines.slice(-3)].join(' | ');
}

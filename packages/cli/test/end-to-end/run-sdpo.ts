import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const BIN = fileURLToPath(new URL('../../bin/sdpo.js', import.meta.url));
const folder =
  process.env['SELECTIVE_DPO_SHARED'] ?? fileURLToPath(new URL('../../../../../shared', import.meta.url));
const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('shared');

/** Folder of the real test data, or undefined where it is absent (its tests are then skipped). */
export const shared: string | undefined =
  existsSync(`${folder}/data`) || required ? `${folder}/data` : undefined;
/** Data that the package carries. */
export const demo = fileURLToPath(new URL('../../demo', import.meta.url));

export interface Outcome {
  /** null when killed. */
  code: number | null;
  stdout: string;
  stderr: string;
  seconds: number;
}

export const freshFolder = () => mkdtemp(join(tmpdir(), 'sdpo-e2e-'));

export interface RunOptions {
  /** Variables besides those of the tests. */
  environment?: Record<string, string>;
  /** SIGKILL after so many milliseconds, or once this is true, unless it ended before. */
  kill?: number | (() => boolean);
  /** Ctrl-C once this is true. */
  interrupt?: () => boolean;
}

/**
 * Runs the built command in a process of its own.
 * @param how options, or `kill` alone.
 */
export function sdpo(
  args: readonly string[],
  how: number | (() => boolean) | RunOptions = {},
): Promise<Outcome> {
  const started = performance.now();
  const { environment, kill, interrupt } = typeof how === 'object' ? how : { kill: how };
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...environment };
    const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (piece: Buffer) => (stdout += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
    const due = typeof kill === 'number' ? () => performance.now() - started >= kill : kill;
    let timer = due && setInterval(() => due() && child.kill('SIGKILL'), 2);
    if (interrupt !== undefined) {
      timer = setInterval(() => {
        if (!interrupt()) return;
        clearInterval(timer);
        child.kill('SIGINT');
      }, 2);
    }
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      resolve({ code, stdout, stderr, seconds: (performance.now() - started) / 1000 });
    });
  });
}

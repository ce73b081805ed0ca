/** Programs that are measured: each in a process of its own, with the same threads and allocator settings on all sides. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

// Without these glibc gives memory back after every operation and PyTorch spends most of a step on page faults.
const env = {
  ...process.env,
  MALLOC_MMAP_THRESHOLD_: String(2 ** 32),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 32),
  OMP_NUM_THREADS: '2',
};

/** The path of a file in this folder. */
export const benchFile = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Runs a program and reads the last line it prints as JSON; what else it prints is shown only if it fails. */
export function measuredProgram(program, args) {
  try {
    const printed = execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return JSON.parse(printed.trim().split('\n').at(-1));
  } catch (error) {
    console.error(String(error.stderr ?? '').slice(-4000));
    throw error;
  }
}

/** A program of this folder, run by this Node. */
export const measuredBench = (name, args) => measuredProgram(process.execPath, [benchFile(name), ...args]);

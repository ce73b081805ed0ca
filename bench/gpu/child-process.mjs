/** Runs one part of the measurement in a process of its own, so that no failure of a driver ends the rest. */
import { execFile } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Asks nvidia-smi; undefined where there is none. */
export async function askNvidia(fields) {
  const { stdout } = await execute('nvidia-smi', [
    `--query-gpu=${fields}`,
    '--format=csv,noheader,nounits',
  ]).catch(() => ({}));
  return stdout?.trim().split('\n')[0];
}

const lastJson = (text) => (text.trim() === '' ? {} : JSON.parse(text.trim().split('\n').at(-1)));

/**
 * The JSON of the last line that `program` prints, and `deviceMb`, the most memory that the whole GPU had in use meanwhile, where
 * nvidia-smi says so; and `error`, the last `lines` of what went wrong, if it did.
 */
export async function runForJson(program, args, { seconds, env = {}, lines = 15 }) {
  let deviceMb;
  let running = true;
  const watch = async () => {
    while (running) {
      const used = Number(await askNvidia('memory.used'));
      if (!(used >= 0)) return;
      deviceMb = Math.max(deviceMb ?? 0, used);
      await setTimeout(500);
    }
  };
  const watching = watch();
  try {
    const { stdout } = await execute(program, args, {
      timeout: seconds * 1000,
      killSignal: 'SIGKILL',
      maxBuffer: 2 ** 30,
      env: { ...process.env, ...env },
    });
    return { ...lastJson(stdout), deviceMb };
  } catch (error) {
    const late = error.killed ? `ended after ${seconds} s\n` : '';
    const words = (error.stderr || error.message).trim().split('\n').slice(-lines).join('\n');
    return { ...lastJson(error.stdout ?? ''), deviceMb, error: late + words };
  } finally {
    running = false;
    await watching;
  }
}

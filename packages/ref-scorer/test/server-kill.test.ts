import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { scoreDataset } from '../src/index.js';
import { contents, serve, servedOptions } from './served-reference.js';
import { sampleRows, writeReference, writeRows } from './small-reference.js';

const BUILT = new URL('../dist/index.js', import.meta.url).href;
const PROGRAM = `const { scoreDataset } = await import(process.argv[1]); await scoreDataset(JSON.parse(process.argv[2]));`;

it.each([10, 23, 40])(
  'a pass killed at its request %i goes on to the bytes of one that was not',
  async (last) => {
    const reference = await writeReference();
    const dataFile = await writeRows(sampleRows(45));
    const server = await serve(reference, { kind: 'vllm' });
    try {
      const whole = await servedOptions(reference, dataFile, [server]);
      await scoreDataset(whole);
      const { server: asked, ...wanted } = await servedOptions(reference, dataFile, [server]);
      const { kind, urls } = asked;
      const options = JSON.stringify({ ...wanted, server: { kind, urls, concurrency: 8 } });
      const before = server.calls;
      const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, BUILT, options], {
        stdio: 'inherit',
      });
      const ended = new Promise((resolve) => child.on('close', (_code, signal) => resolve(signal)));
      server.script.instead = (_path, _response, call) => {
        if (call - before >= last) child.kill('SIGKILL');
        return false;
      };
      expect(await ended).toBe('SIGKILL');
      expect(await readdir(wanted.outDirectory)).not.toContain('manifest.json');
      server.script.instead = () => false;
      await scoreDataset({ ...wanted, server: asked });
      expect(await contents(wanted.outDirectory)).toEqual(await contents(whole.outDirectory));
    } finally {
      await server.close();
    }
  },
);

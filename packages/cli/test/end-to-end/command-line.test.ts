import { spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { BIN, demo, freshFolder, sdpo } from './run-sdpo.js';

const POLICY = join(demo, 'policy');
const DATA = join(demo, 'preferences', 'preferences.jsonl');

let cache: string;
const scoreInto = (out: string, data = DATA, limit = '40') => [
  ...['score', '--model', join(demo, 'reference'), '--data', data, '--out', out],
  ...['--limit', limit, '--engine', 'wasm', '--rows-per-shard', '8'],
];
const trainInto = (out: string, ...settings: string[]) => [
  ...['train', '--policy', POLICY, '--cache', cache, '--out', out, ...settings],
];
const QUICK = ['engine=wasm', 'maxSteps=4', 'learningRate=3e-4'];

beforeAll(async () => {
  cache = join(await freshFolder(), 'cache');
  expect((await sdpo(scoreInto(cache))).code).toBe(0);
});

describe('long work', () => {
  it('goes on when its reader has gone', async () => {
    const out = join(await freshFolder(), 'run');
    const child = spawn(process.execPath, [BIN, ...trainInto(out, ...QUICK), '--json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    child.stdout.destroy();
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(0);
    expect(await readFile(join(out, 'final', 'config.json'), 'utf8')).toContain('LlamaForCausalLM');
  });

  it('goes on when its output cannot be written, says so once, and ends with exit code 2', async (context) => {
    if (!existsSync('/dev/full')) context.skip('there is no /dev/full');
    const out = join(await freshFolder(), 'run');
    const child = spawn(process.execPath, [BIN, ...trainInto(out, ...QUICK), '--json'], {
      stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    });
    let stderr = '';
    child.stderr!.on('data', (piece: Buffer) => (stderr += piece.toString()));
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(2);
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringContaining('error: standard output: the disk is full'),
    ]);
    expect(existsSync(join(out, 'final', 'config.json'))).toBe(true);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'stops on %s with a checkpoint and exit code 130',
    async (signal) => {
      const out = join(await freshFolder(), 'run');
      const args = trainInto(out, 'engine=wasm', 'maxSteps=400', 'learningRate=1e-5');
      const child = spawn(process.execPath, [BIN, ...args, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
      let stderr = '';
      child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
      child.stdout.on('data', (piece: Buffer) => {
        if (piece.toString().includes('"progress"')) child.kill(signal);
      });
      expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130);
      expect(stderr).toContain('--resume');
      const again = await sdpo(['cache', 'info', join(out, 'checkpoints')]);
      expect(again.code).toBe(2);
      expect((await readFile(join(out, 'metrics.jsonl'), 'utf8')).trim().split('\n').length).toBeLessThan(
        400,
      );
    },
  );
});

describe('train --resume', () => {
  it('takes the settings the run was started with, and says when there was none', async () => {
    const out = join(await freshFolder(), 'run');
    const first = await sdpo([...trainInto(out, ...QUICK), '--resume']);
    expect(first.code).toBe(0);
    expect(first.stdout).toContain('no run to go on with');
    const again = await sdpo([...trainInto(out), '--resume']);
    expect(again.stderr).toBe('');
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('finished before, after 4 steps');
    // Negative control: another value is refused.
    expect((await sdpo([...trainInto(out, 'beta=0.3'), '--resume'])).stderr).toContain('beta');
  });
});

describe('score', () => {
  it('takes a mended file in the same folder: a broken row is found before anything is scored', async () => {
    const lines = (await readFile(DATA, 'utf8')).split('\n').slice(0, 30);
    const data = join(await freshFolder(), 'rows.jsonl');
    const out = join(await freshFolder(), 'cache');
    await writeFile(data, lines.map((line, i) => (i === 20 ? '{' : line)).join('\n'));
    expect((await sdpo(scoreInto(out, data))).code).toBe(2);
    await writeFile(data, lines.join('\n'));
    const mended = await sdpo(scoreInto(out, data));
    expect(mended.code, mended.stderr).toBe(0);
  });
});

describe('help', () => {
  it('is printed for no command at all, without an error line', async () => {
    const { stderr, code } = await sdpo([]);
    expect(code).toBe(2);
    expect(stderr).toContain('Usage: sdpo');
    expect(stderr).not.toContain('error:');
  });

  it('names the values a setting allows, and a near option on one line', async () => {
    const { stdout } = await sdpo(['train', '--help']);
    expect(stdout).toContain('quantile, top-k, batch, random, confidence, all, span');
    expect(stdout).toContain('window, sentence');
    const { stderr } = await sdpo(['score', '--max-lenght', '5']);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain('did you mean --max-length?; see sdpo score --help');
    expect(stderr).not.toContain('\\n');
  });

  it.each([
    ['train --learningRate=1e-3', 'write learningRate=1e-3, without dashes; see sdpo train --help'],
    ['train --learning-rate 1e-3', 'write learningRate=…, without dashes; see sdpo train --help'],
    ['train --polcy=./x', 'did you mean --policy?; see sdpo train --help'],
    ['eval preferences --keep=1', 'write keep=1, without dashes; see sdpo eval preferences --help'],
    // Negative control: no settings there.
    ['score --learningRate=1', 'found "--learningRate"; see sdpo score --help'],
    ['score extra', 'see sdpo score --help'],
    ['scor', 'see sdpo --help'],
  ])('%s is told what to write, and whose help to read', async (words, hint) => {
    const { stderr, code } = await sdpo(words.split(' '));
    expect(code).toBe(2);
    expect(stderr.trim().split('\n')).toEqual([expect.stringMatching(/^error: /)]);
    expect(stderr.trim().endsWith(hint), stderr).toBe(true);
  });
});

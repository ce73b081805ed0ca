import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { refusalOf } from '../../trainer/test/refusal.js';
import { commandLines, shellQuote, writeNxProjects } from '../src/index.js';
import { planOf } from './written-sweep.js';

describe('command lines', () => {
  it('are read back by a shell word for word', () => {
    const words = [
      'plain',
      'keep=0.4',
      'a b',
      "it's",
      '$(id)',
      '`id`',
      '*',
      '~',
      '',
      '"',
      '\\',
      '!x',
      '#',
      'ä',
      ';',
    ];
    const script = `printf '%s\\n' ${words.map(shellQuote).join(' ')}`;
    expect(execFileSync('sh', ['-c', script]).toString()).toBe(words.map((word) => `${word}\n`).join(''));
  });

  it('are one for each run, into its own folder', async () => {
    const plan = await planOf('grid: {keep: [0.2, 0.4]}');
    const lines = await commandLines(plan, '/some where', ['node', 'sdpo.js']);
    expect(lines).toHaveLength(2);
    plan.runs.forEach(({ folder }, i) =>
      expect(lines[i]).toContain(`--out '/some where/runs/${folder}' --resume`),
    );
    expect(lines[0]).toMatch(/ keep=0\.2$/);
    expect(lines[1]).toMatch(/ --resume$/);
  });
});

describe('Nx projects', () => {
  it('have a cached target each, with the command, the digests it depends on and the folder it fills', async () => {
    const workspace = await mkdtemp(join(tmpdir(), 'sdpo-nx-'));
    await writeFile(join(workspace, 'nx.json'), '{}');
    const [plan, directory] = [await planOf('grid: {keep: [0.2, 0.4]}'), join(workspace, 'my sweeps', 'one')];
    const names = await writeNxProjects(plan, directory, ['node', 'sdpo.js']);
    const [first] = plan.runs;
    expect(names[0]).toBe(`my_sweeps_one_keep_0.2-${first!.key}`);
    const read = async (file: string): Promise<unknown> =>
      JSON.parse(await readFile(join(directory, 'tasks', first!.folder, file), 'utf8'));
    expect(await read('project.json')).toEqual({
      name: names[0],
      targets: {
        train: {
          command: (await commandLines(plan, directory, ['node', 'sdpo.js']))[0],
          inputs: ['{projectRoot}/inputs.json'],
          outputs: [`{workspaceRoot}/my sweeps/one/runs/${first!.folder}`],
          cache: true,
        },
      },
    });
    expect(await read('inputs.json')).toEqual(first!.made);
    // Another plan takes the place of this one.
    await writeNxProjects(await planOf('grid: {keep: [1]}'), directory, ['node', 'sdpo.js']);
    expect(await readdir(join(directory, 'tasks'))).toEqual([expect.stringMatching(/^keep=1-/)]);
  });

  it('are refused outside an Nx workspace', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sdpo-nx-'));
    const plan = await planOf('grid: {keep: [0.2, 0.4]}');
    const [problem] = await refusalOf(() => writeNxProjects(plan, directory, ['node', 'sdpo.js']));
    expect(problem!.code).toBe('no-nx-workspace');
    expect(await readdir(directory)).toEqual([]);
  });
});

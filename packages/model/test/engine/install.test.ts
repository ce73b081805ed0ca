import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@selective-dpo/foundation';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  engineFolder,
  installTensorflowEngine,
  installedEngine,
  openEngine,
} from '../../src/engine/index.js';
import { damageOf } from '../../src/engine/tensorflow/engine-folder.js';

const saved = { ...process.env };
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sdpo-engine-'));
  process.env['SELECTIVE_DPO_ENGINE_DIR'] = join(root, 'engines');
});
afterEach(async () => {
  process.env = { ...saved };
  await rm(root, { recursive: true });
});

/** A program in a folder of its own at the head of PATH. */
async function program(name: string, script: string): Promise<void> {
  const bin = join(root, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, name), 0o755);
  process.env['PATH'] = `${bin}:${saved['PATH']}`;
}

/** A folder as an installation leaves it, with stand-ins for the libraries. */
async function fakeInstallation(): Promise<string> {
  const folder = engineFolder(false);
  const library = join(folder, 'site', 'tensorflow');
  await mkdir(library, { recursive: true });
  await writeFile(join(folder, 'tfjs_binding.node'), 'binding');
  await writeFile(join(folder, 'preload.node'), 'preload');
  await writeFile(join(library, 'libtensorflow_cc.so.2'), '12345');
  const receipt = {
    tensorflow: '2.21.0',
    gpu: false,
    compiled: { 'tfjs_binding.node': sha256('binding'), 'preload.node': sha256('preload') },
    libraries: { 'libtensorflow_cc.so.2': 5 },
  };
  await writeFile(join(folder, 'engine.json'), JSON.stringify(receipt));
  return folder;
}

// The recipe is for these; elsewhere the first test is all there is to it.
const supported = ['linux-x64', 'linux-arm64', 'darwin-arm64'].includes(
  `${process.platform}-${process.arch}`,
);

describe.skipIf(!supported)('installing the tensorflow engine', () => {
  it('goes where the environment says', () => {
    expect(engineFolder(false).startsWith(join(root, 'engines'))).toBe(true);
    delete process.env['SELECTIVE_DPO_ENGINE_DIR'];
    process.env['XDG_CACHE_HOME'] = join(root, 'cache');
    expect(engineFolder(true).startsWith(join(root, 'cache', 'selective-dpo'))).toBe(true);
    expect(engineFolder(true)).not.toBe(engineFolder(false));
  });

  it('names a missing Python and how to get it', async () => {
    await expect(installTensorflowEngine({ python: join(root, 'no-python') })).rejects.toMatchObject({
      code: 'tool-missing',
      details: {
        found: 'ENOENT',
        hint: expect.stringMatching(/apt install python3-pip.*dnf.*brew/) as string,
      },
    });
  });

  it('names a Python without pip', async () => {
    await program('python3', 'echo "No module named pip" >&2; exit 1');
    await expect(installTensorflowEngine()).rejects.toMatchObject({
      code: 'tool-missing',
      details: { found: 'exit code 1 | No module named pip' },
    });
  });

  it('names a missing compiler and how to get it', async () => {
    await program('python3', 'exit 0');
    await program('g++', 'exit 127');
    await expect(installTensorflowEngine()).rejects.toMatchObject({
      code: 'tool-missing',
      details: {
        hint: expect.stringMatching(/apt install g\+\+.*dnf install gcc-c\+\+.*xcode-select/) as string,
      },
    });
  });

  it('passes on what pip says, and leaves nothing behind', async () => {
    await program('python3', 'case "$*" in *install*) echo "ERROR: no route to index" >&2; exit 1;; esac');
    await program('g++', 'exit 0');
    await expect(installTensorflowEngine()).rejects.toMatchObject({
      code: 'engine-install-failed',
      message: 'pip failed',
      details: { found: expect.stringContaining('no route to index') as string },
    });
    expect(await readdir(join(root, 'engines'))).toEqual([]);
    expect(installedEngine()).toBeUndefined();
  });

  it('refuses a binding that does not load, and leaves nothing behind', async () => {
    await program(
      'python3',
      'for last; do :; done; while [ $# -gt 0 ]; do [ "$1" = --target ] && mkdir -p "$2/tensorflow" && echo x > "$2/tensorflow/libtensorflow_cc.so.2"; shift; done; exit 0',
    );
    await program(
      'g++',
      'while [ $# -gt 0 ]; do [ "$1" = -o ] && echo "not a library" > "$2"; shift; done; exit 0',
    );
    await expect(installTensorflowEngine()).rejects.toMatchObject({ code: 'engine-not-available' });
    expect(await readdir(join(root, 'engines'))).toEqual([]);
  });

  it('removes what a killed installation left, and not what one at work is writing', async () => {
    const parent = join(root, 'engines');
    const name = engineFolder(false).slice(parent.length + 1);
    // No process has this number: Linux ends at 2²², macOS at 99,998.
    const [dead, alive] = [
      join(parent, `.${name}.99999999.tmp`),
      join(parent, `.${name}.${process.ppid}.tmp`),
    ];
    await mkdir(dead, { recursive: true });
    await mkdir(alive, { recursive: true });
    expect(installedEngine()).toBeUndefined();
    await program('python3', 'case "$*" in *install*) exit 1;; esac');
    await program('g++', 'exit 0');
    await expect(installTensorflowEngine()).rejects.toMatchObject({ code: 'engine-install-failed' });
    expect(await readdir(parent)).toEqual([`.${name}.${process.ppid}.tmp`]);
  });

  it('returns at once where a whole engine stands', async () => {
    const folder = await fakeInstallation();
    await program('python3', 'exit 1');
    expect(await installTensorflowEngine()).toBe(folder);
  });

  it.each<[string, (folder: string) => Promise<void>, string]>([
    [
      'a changed binding',
      (folder) => writeFile(join(folder, 'tfjs_binding.node'), 'bindinG'),
      'tfjs_binding.node',
    ],
    [
      'a cut library',
      (folder) => writeFile(join(folder, 'site/tensorflow/libtensorflow_cc.so.2'), '1'),
      'bytes',
    ],
    ['a missing module', (folder) => rm(join(folder, 'preload.node')), 'ENOENT'],
  ])('sees %s before loading it', async (_, damage, found) => {
    const folder = await fakeInstallation();
    expect(damageOf(installedEngine()!)).toBeUndefined();
    await damage(folder);
    expect(damageOf(installedEngine()!)).toContain(found);
    await program('python3', 'exit 1');
    await expect(installTensorflowEngine()).rejects.toMatchObject({ code: 'tool-missing' });
  });

  it('without its receipt an engine does not exist, and auto takes wasm', async () => {
    const folder = await fakeInstallation();
    await rm(join(folder, 'engine.json'));
    expect(installedEngine()).toBeUndefined();
    expect((await openEngine('auto')).name).toBe('wasm');
  });
});

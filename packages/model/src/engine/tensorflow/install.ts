/**
 * `sdpo engine install`: TensorFlow's C library out of its Python wheel, and tfjs-node-gpu's own binding compiled
 * against it. Nothing of Python runs afterwards; pip only fetches the wheel.
 */
import { spawn } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { InputError, publishDirectory, sha256OfFile, type ProgressListener } from '@selective-dpo/foundation';
import {
  BINDING_FILE,
  RECEIPT_FILE,
  TENSORFLOW_VERSION,
  engineFolder,
  installedEngine,
} from './engine-folder.js';

const require = createRequire(import.meta.url);

/** Any Python that has pip can fetch these: the library inside does not depend on Python. */
const WHEEL_TAG = [
  '--only-binary=:all:',
  '--implementation',
  'cp',
  '--python-version',
  '3.11',
  '--abi',
  'cp311',
];
const PLATFORMS: Record<string, { package: string; tag: string }> = {
  'linux-x64': { package: 'tensorflow-cpu', tag: 'manylinux_2_27_x86_64' },
  'linux-arm64': { package: 'tensorflow', tag: 'manylinux_2_27_aarch64' },
};

export interface InstallOptions {
  /** The variant with CUDA libraries, for NVIDIA GPUs on Linux x64. */
  gpu?: boolean;
  /** Name or path of a Python 3 with pip. */
  python?: string;
  listener?: ProgressListener;
}

/**
 * Installs the TensorFlow engine into {@link engineFolder}; at once when it is there already.
 * @returns the folder.
 * @throws InputError `platform-unsupported`, `tool-missing`, `engine-install-failed`.
 */
export async function installTensorflowEngine(options: InstallOptions = {}): Promise<string> {
  const gpu = options.gpu ?? false;
  const folder = engineFolder(gpu);
  if (installedEngine()?.folder === folder) return folder;
  const platform = PLATFORMS[`${process.platform}-${process.arch}`];
  if (platform === undefined || (gpu && process.arch !== 'x64')) {
    throw new InputError('platform-unsupported', 'the TensorFlow engine is not available for this platform', {
      found: `${process.platform}-${process.arch}${gpu ? ' with --gpu' : ''}`,
      expected: Object.keys(PLATFORMS).join(', '),
      hint: 'use --engine wasm',
    });
  }
  const python = options.python ?? 'python3';
  await requireTool(python, ['-m', 'pip', '--version'], 'apt install python3-pip (Debian, Ubuntu)');
  await requireTool('g++', ['--version'], 'apt install g++ (Debian, Ubuntu) or dnf install gcc-c++ (Fedora)');
  await mkdir(dirname(folder), { recursive: true });
  const notice = (message: string) => options.listener?.({ type: 'notice', code: 'engine-install', message });
  await publishDirectory(folder, async (temporary) => {
    const wheel = gpu ? 'tensorflow[and-cuda]' : platform.package;
    notice(`fetching ${wheel} ${TENSORFLOW_VERSION} (about ${gpu ? '3 GB' : '270 MB'})`);
    await fetchWheel(python, `${wheel}==${TENSORFLOW_VERSION}`, platform.tag, temporary, gpu);
    notice('compiling the binding');
    await compileBinding(temporary);
    notice('trying it out');
    await tryOut(join(temporary, BINDING_FILE));
    await dropUnused(join(temporary, 'site', 'tensorflow'));
    const receipt = {
      tensorflow: TENSORFLOW_VERSION,
      gpu,
      bindingSha256: await sha256OfFile(join(temporary, BINDING_FILE)),
    };
    await writeFile(join(temporary, RECEIPT_FILE), `${JSON.stringify(receipt, null, 2)}\n`);
  });
  return folder;
}

async function fetchWheel(
  python: string,
  spec: string,
  tag: string,
  folder: string,
  gpu: boolean,
): Promise<void> {
  const target = join(folder, 'site');
  const common = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--no-compile',
    '--target',
    target,
  ];
  const dependencies = gpu ? [] : ['--no-deps'];
  await run(
    python,
    [...common, ...dependencies, ...WHEEL_TAG, '--platform', tag, spec],
    'fetching TensorFlow',
  );
}

/** The binding's two sources, and one line that keeps the library's start-up notes off the user's terminal. */
async function compileBinding(folder: string): Promise<void> {
  const sources = join(dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json')), 'binding');
  const napi = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  const site = join(folder, 'site');
  const library = join(site, 'tensorflow');
  const quiet = join(folder, 'quiet_log.cc');
  await writeFile(
    quiet,
    '#include "absl/log/globals.h"\n' +
      'static const bool quiet = (absl::SetMinLogLevel(absl::LogSeverityAtLeast::kError), true);\n',
  );
  const runPaths = [
    '$ORIGIN/site/tensorflow',
    ...(await cudaLibraryFolders(site)).map((name) => `$ORIGIN/site/${name}`),
  ];
  await run(
    'g++',
    [
      ...['-O2', '-std=c++17', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8'],
      ...[`-I${napi}`, `-I${join(library, 'include')}`],
      ...[join(sources, 'tfjs_backend.cc'), join(sources, 'tfjs_binding.cc'), quiet],
      ...['-o', join(folder, BINDING_FILE), `-L${library}`],
      ...['-l:libtensorflow_cc.so.2', '-l:libtensorflow_framework.so.2'],
      `-Wl,-rpath,${runPaths.join(':')}`,
    ],
    'compiling the binding',
  );
  await rm(quiet);
}

/** Folders of CUDA libraries that the `and-cuda` wheel brings beside TensorFlow: nvidia/<part>/lib. */
async function cudaLibraryFolders(site: string): Promise<string[]> {
  const parts = await readdir(join(site, 'nvidia')).catch(() => []);
  return parts.map((part) => `nvidia/${part}/lib`);
}

/** Loads the binding in a process of its own, so that a bad one cannot take this process with it. */
async function tryOut(binding: string): Promise<void> {
  const script = `const b = require(${JSON.stringify(binding)}); if (typeof b.TF_Version !== 'string') process.exit(1);`;
  await run(process.execPath, ['-e', script], 'loading the binding');
}

/** Only headers and libraries are needed; the Python part is most of the size. */
async function dropUnused(library: string): Promise<void> {
  for (const name of await readdir(library)) {
    if (!name.startsWith('libtensorflow')) await rm(join(library, name), { recursive: true });
  }
}

async function requireTool(command: string, args: string[], install: string): Promise<void> {
  try {
    await run(command, args, `running ${command}`);
  } catch {
    throw new InputError('tool-missing', `${command} ${args.join(' ')} does not work`, {
      expected: 'Python 3 with pip, and g++',
      hint: `install it, e.g. ${install}`,
    });
  }
}

/** Runs a program to its end; its error output is kept for the message. */
async function run(command: string, args: string[], doing: string): Promise<void> {
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    const keepEnd = (piece: Buffer): void => {
      text = (text + piece.toString()).slice(-4000);
    };
    child.stdout.on('data', keepEnd);
    child.stderr.on('data', keepEnd);
    child.on('error', reject);
    child.on('close', (status) => resolve({ code: status, output: text }));
  });
  if (code === 0) return;
  throw new InputError('engine-install-failed', `${doing} failed`, {
    found: output.trim().split('\n').slice(-3).join(' | ') || `exit code ${code}`,
    hint: 'mend the cause and run sdpo engine install again; nothing half-made was left behind',
  });
}

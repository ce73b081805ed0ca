/**
 * `sdpo engine install`: TensorFlow's C library out of its Python wheel, and tfjs-node-gpu's own binding compiled
 * against it. Nothing of Python runs afterwards; pip only fetches the wheel.
 */
import { readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  InputError,
  makeFolder,
  publishDirectory,
  sha256OfFile,
  type ProgressListener,
} from '@selective-dpo/foundation';
import { measureMatMul } from '../matmul-probe.js';
import { compileBinding } from './compile-binding.js';
import {
  BINDING_FILE,
  PRELOAD_FILE,
  RECEIPT_FILE,
  SITE_FOLDER,
  TENSORFLOW_VERSION,
  damageOf,
  engineFolder,
  installedEngine,
  type EngineReceipt,
} from './engine-folder.js';
import { fetchWheels } from './fetch-wheel.js';
import { lastWords, runProgram } from './run-program.js';
import { wheelPlatform } from './wheel-platform.js';

export interface InstallOptions {
  /** The variant with CUDA libraries, for NVIDIA GPUs on Linux x64. */
  gpu?: boolean;
  /** Name or path of a Python 3 with pip. Default `python3`. */
  python?: string;
  listener?: ProgressListener;
}

const INSTALL_PYTHON =
  'install Python 3 with pip: apt install python3-pip (Debian, Ubuntu), dnf install python3-pip (Fedora), brew install python (macOS)';
const INSTALL_COMPILER =
  'install a C++ compiler: apt install g++ (Debian, Ubuntu), dnf install gcc-c++ (Fedora), xcode-select --install (macOS)';

/**
 * Installs the TensorFlow engine into {@link engineFolder}; at once when it is there already and whole. The folder
 * appears in one rename after a trial matrix product: a killed installation leaves nothing that could be opened.
 * @returns the folder.
 * @throws InputError `platform-unsupported`, `tool-missing`, `engine-install-failed`.
 */
export async function installTensorflowEngine(options: InstallOptions = {}): Promise<string> {
  const gpu = options.gpu ?? false;
  const folder = engineFolder(gpu);
  const installed = installedEngine();
  if (installed?.folder === folder && damageOf(installed) === undefined) return folder;
  const platform = wheelPlatform(gpu);
  const python = options.python ?? 'python3';
  await requireTool(python, ['-m', 'pip', '--version'], INSTALL_PYTHON);
  await requireTool('g++', ['--version'], INSTALL_COMPILER);
  await makeFolder(dirname(folder));
  await removeAbandoned(dirname(folder));
  const notice = (message: string): void =>
    options.listener?.({ type: 'notice', code: 'engine-install', message });
  if (!platform.tried) notice('this variant has not been tried by the authors; it is checked at the end');
  await publishDirectory(folder, async (temporary) => {
    const site = join(temporary, SITE_FOLDER);
    notice(
      `fetching ${platform.package} ${TENSORFLOW_VERSION} (about ${gpu ? '3 GB' : '270 MB, 820 MB on disk'})`,
    );
    await fetchWheels(site, platform, gpu, (args) => runStep(python, ['-m', 'pip', ...args], 'pip'));
    if (gpu) await linkCudaLibraries(site);
    notice('compiling the binding');
    await compileBinding(temporary, platform, (args) => runStep('g++', args, 'compiling the binding'));
    await dropUnused(join(site, 'tensorflow'));
    notice('trying it out');
    const modules = { preload: join(temporary, PRELOAD_FILE), binding: join(temporary, BINDING_FILE) };
    const { version } = await measureMatMul({ engine: 'tensorflow', precision: 'fp32', modules });
    await writeReceipt(temporary, gpu, version);
  });
  return folder;
}

async function writeReceipt(folder: string, gpu: boolean, version: string): Promise<void> {
  const library = join(folder, SITE_FOLDER, 'tensorflow');
  const libraries: Record<string, number> = {};
  for (const name of await readdir(library)) {
    if (name.startsWith('libtensorflow')) libraries[name] = (await stat(join(library, name))).size;
  }
  const receipt: EngineReceipt = {
    tensorflow: version,
    gpu,
    compiled: {
      [BINDING_FILE]: await sha256OfFile(join(folder, BINDING_FILE)),
      [PRELOAD_FILE]: await sha256OfFile(join(folder, PRELOAD_FILE)),
    },
    libraries,
  };
  await writeFile(join(folder, RECEIPT_FILE), `${JSON.stringify(receipt, null, 2)}\n`);
}

/**
 * TensorFlow opens CUDA libraries by name and looks in its own folder, among others: a link there is found without
 * LD_LIBRARY_PATH, which a running process cannot change for itself.
 */
async function linkCudaLibraries(site: string): Promise<void> {
  for (const part of await readdir(join(site, 'nvidia'))) {
    const names = await readdir(join(site, 'nvidia', part, 'lib')).catch(() => []);
    for (const name of names.filter((file) => file.includes('.so'))) {
      await symlink(join('..', 'nvidia', part, 'lib', name), join(site, 'tensorflow', name));
    }
  }
}

/** Only libraries are needed to run; headers and the Python part are most of the size. */
async function dropUnused(library: string): Promise<void> {
  for (const name of await readdir(library)) {
    if (!/\.(so|dylib)(\.|$)/.test(name)) await rm(join(library, name), { recursive: true });
  }
}

/** Removes folders of installations whose process is gone; one at work in another process is left alone. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const owner = /^\.tensorflow-.*\.(\d+)\.tmp$/.exec(name)?.[1];
    if (owner !== undefined && !isRunning(Number(owner))) {
      await rm(join(parent, basename(name)), { recursive: true, force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function requireTool(command: string, args: string[], hint: string): Promise<void> {
  const expected = 'Python 3 with pip, and g++';
  const result = await runProgram(command, args).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    throw new InputError('tool-missing', error.message, { ...error.details, expected, hint });
  });
  if (result.code === 0) return;
  throw new InputError('tool-missing', `${command} ${args.join(' ')} does not work`, {
    found: lastWords(result),
    expected,
    hint,
  });
}

async function runStep(command: string, args: string[], doing: string): Promise<void> {
  const result = await runProgram(command, args);
  if (result.code === 0) return;
  throw new InputError('engine-install-failed', `${doing} failed`, {
    found: lastWords(result),
    hint: 'mend the cause and run sdpo engine install again; nothing half-made was left behind',
  });
}

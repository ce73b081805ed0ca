/** Compiles the N-API binding of tfjs-node-gpu, and the fused kernels into it, against the TensorFlow libraries of a wheel. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BINDING_FILE, PRELOAD_FILE, SITE_FOLDER } from './engine-folder.js';
import { PRELOAD_SOURCE, QUIET_LOG_SOURCE } from './native-sources.js';
import type { WheelPlatform } from './wheel-platform.js';

const require = createRequire(import.meta.url);

/** Node's C interface, stable since version 8 of it; one binding serves Node 20, 22 and 24. */
const COMMON_FLAGS = ['-O2', '-std=c++17', '-fPIC', '-w', '-DNAPI_VERSION=8'];

/** Sources of the fused kernels: packages/model/native, beside src and dist. */
const FUSED_SOURCES = fileURLToPath(new URL('../../../native/', import.meta.url));

/** Compilations of the fused kernels' arithmetic; which one runs is decided when the engine loads. */
const INSTRUCTION_SETS: Readonly<Record<string, readonly string[]>> =
  process.arch === 'x64'
    ? { baseline: [], avx2: ['-mavx2', '-mfma'], avx512: ['-mavx512f', '-mavx2', '-mfma'] }
    : { baseline: [] };

/**
 * Writes the two modules into `folder`, which holds the wheel under {@link SITE_FOLDER}.
 * @param compile runs the compiler with the given arguments.
 */
export async function compileBinding(
  folder: string,
  platform: WheelPlatform,
  compile: (args: string[]) => Promise<void>,
): Promise<void> {
  const sources = join(dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json')), 'binding');
  const nodeHeaders = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  const library = join(folder, SITE_FOLDER, 'tensorflow');
  const [quiet, preload] = [join(folder, 'quiet_log.cc'), join(folder, 'preload.cc')];
  await writeFile(quiet, QUIET_LOG_SOURCE);
  await writeFile(preload, PRELOAD_SOURCE);
  const runPaths = [
    `${SITE_FOLDER}/tensorflow`,
    ...(await cudaFolders(join(folder, SITE_FOLDER))).map((name) => `${SITE_FOLDER}/${name}`),
  ].map((path) => `-Wl,-rpath,${platform.origin}/${path}`);
  const kernels = await compileFusedKernels(folder, join(library, 'include'), compile);
  await compile([
    ...COMMON_FLAGS,
    ...['-shared', `-I${nodeHeaders}`, `-I${join(library, 'include')}`],
    ...[join(sources, 'tfjs_backend.cc'), join(sources, 'tfjs_binding.cc'), quiet, ...kernels],
    ...['-o', join(folder, BINDING_FILE), `-L${library}`, ...platform.linkFlags],
    ...runPaths,
  ]);
  const framework = `${SITE_FOLDER}/tensorflow/${platform.libraries.framework}`;
  const dl = process.platform === 'linux' ? ['-ldl'] : [];
  await compile([
    ...[...COMMON_FLAGS, '-shared', `-DFRAMEWORK="${framework}"`, preload],
    ...['-o', join(folder, PRELOAD_FILE), ...dl],
  ]);
  for (const file of [quiet, preload, ...kernels]) await rm(file);
}

/** Compiles packages/model/native into object files in `folder`, and returns their paths. */
async function compileFusedKernels(
  folder: string,
  tensorflowHeaders: string,
  compile: (args: string[]) => Promise<void>,
): Promise<string[]> {
  const flags = ['-O3', '-std=c++17', '-fPIC', '-w', '-ffp-contract=fast', '-fno-math-errno'];
  const objects: string[] = [];
  const object = async (name: string, source: string, own: readonly string[]): Promise<void> => {
    objects.push(join(folder, `${name}.o`));
    await compile([...flags, ...own, '-c', join(FUSED_SOURCES, source), '-o', objects.at(-1)!]);
  };
  for (const [name, own] of Object.entries(INSTRUCTION_SETS)) {
    await object(name, 'fused_math.cc', [`-DSDPO_ISA=${name}`, ...own]);
  }
  await object('choose_math', 'choose_math.cc', []);
  // The alignment that TensorFlow's own libraries are built with.
  await object('fused_ops', 'fused_ops.cc', [`-I${tensorflowHeaders}`, '-DEIGEN_MAX_ALIGN_BYTES=64']);
  return objects;
}

/** Folders of CUDA libraries that stand beside TensorFlow in the GPU variant: nvidia/<part>/lib. */
async function cudaFolders(site: string): Promise<string[]> {
  const parts = await readdir(join(site, 'nvidia')).catch(() => []);
  return parts.map((part) => `nvidia/${part}/lib`);
}

/** Compiles the N-API binding of tfjs-node-gpu against the TensorFlow libraries of a wheel. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { BINDING_FILE, PRELOAD_FILE, SITE_FOLDER } from './engine-folder.js';
import { PRELOAD_SOURCE, QUIET_LOG_SOURCE } from './native-sources.js';
import type { WheelPlatform } from './wheel-platform.js';

const require = createRequire(import.meta.url);

/** Node's C interface, stable since version 8 of it; one binding serves Node 20, 22 and 24. */
const COMMON_FLAGS = ['-O2', '-std=c++17', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8'];

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
  await compile([
    ...COMMON_FLAGS,
    ...[`-I${nodeHeaders}`, `-I${join(library, 'include')}`],
    ...[join(sources, 'tfjs_backend.cc'), join(sources, 'tfjs_binding.cc'), quiet],
    ...['-o', join(folder, BINDING_FILE), `-L${library}`, ...platform.linkFlags],
    ...runPaths,
  ]);
  const framework = `${SITE_FOLDER}/tensorflow/${platform.libraries.framework}`;
  const dl = process.platform === 'linux' ? ['-ldl'] : [];
  await compile([
    ...[...COMMON_FLAGS, `-DFRAMEWORK="${framework}"`, preload],
    ...['-o', join(folder, PRELOAD_FILE), ...dl],
  ]);
  await rm(quiet);
  await rm(preload);
}

/** Folders of CUDA libraries that stand beside TensorFlow in the GPU variant: nvidia/<part>/lib. */
async function cudaFolders(site: string): Promise<string[]> {
  const parts = await readdir(join(site, 'nvidia')).catch(() => []);
  return parts.map((part) => `nvidia/${part}/lib`);
}

/** Fetches TensorFlow's wheel, and for the GPU variant the CUDA wheels that it names, with pip. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '@selective-dpo/foundation';
import { TENSORFLOW_VERSION } from './engine-folder.js';
import type { WheelPlatform } from './wheel-platform.js';

/** The libraries inside do not depend on Python, so one tag serves whichever Python runs pip. */
const PYTHON_TAG = ['--implementation', 'cp', '--python-version', '3.11', '--abi', 'cp311'];

/**
 * Unpacks the wheels into `target`.
 * @param pip runs pip with the given arguments.
 * @throws InputError `engine-install-failed` if the wheel names no CUDA libraries though `gpu` asks for them.
 */
export async function fetchWheels(
  target: string,
  platform: WheelPlatform,
  gpu: boolean,
  pip: (args: string[]) => Promise<void>,
): Promise<void> {
  const common = [
    ...['install', '--quiet', '--disable-pip-version-check', '--no-input', '--no-compile', '--no-deps'],
    ...['--only-binary=:all:', ...PYTHON_TAG, ...platform.tags.flatMap((tag) => ['--platform', tag])],
    ...['--target', target],
  ];
  await pip([...common, `${platform.package}==${TENSORFLOW_VERSION}`]);
  if (gpu) await pip([...common, '--upgrade', ...(await cudaRequirements(target))]);
}

/**
 * What the wheel's own metadata lists under its extra `and-cuda`. The extra itself would also bring TensorFlow's Python
 * dependencies, of which nothing here has any use.
 */
async function cudaRequirements(target: string): Promise<string[]> {
  const info = (await readdir(target)).find((name) => /^tensorflow-.*\.dist-info$/.test(name));
  const metadata = info === undefined ? '' : await readFile(join(target, info, 'METADATA'), 'utf8');
  const listed = [...metadata.matchAll(/^Requires-Dist: ([\w.-]+)([^;]*); extra == "and-cuda"\s*$/gm)];
  if (listed.length === 0) {
    throw new InputError('engine-install-failed', 'the TensorFlow wheel names no CUDA libraries', {
      expected: 'requirements under the extra and-cuda in its METADATA',
    });
  }
  return listed.map(([, name, range]) => `${name}${range!.replace(/[\s()]/g, '')}`);
}

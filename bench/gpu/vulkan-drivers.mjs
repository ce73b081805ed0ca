/**
 * Finds a Vulkan driver for a real GPU. Containers of NVIDIA's often have the driver's library but not the file that names it
 * to the Vulkan loader, or have it where no loader looks; so such files are tried one after the other.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { engineInfo } from '@selective-dpo/model';

const LIBRARY_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/usr/local/nvidia/lib64',
  '/usr/local/nvidia/lib',
];
const DRIVER_FOLDERS = ['/usr/local/nvidia/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'];
/** The usual one, which needs X11's client libraries, and one that does not. */
const LIBRARIES = ['libGLX_nvidia.so.0', 'libEGL_nvidia.so.0'];

/** Paths of driver files; undefined stands for what the loader finds by itself. */
function* candidates(folder) {
  yield undefined;
  if (process.env.VK_DRIVER_FILES !== undefined || process.env.VK_ICD_FILENAMES !== undefined) return;
  for (const place of DRIVER_FOLDERS.filter((path) => existsSync(path))) {
    for (const name of readdirSync(place).filter((file) => /nvidia.*\.json$/.test(file)))
      yield join(place, name);
  }
  for (const name of LIBRARIES) {
    const library = LIBRARY_FOLDERS.map((place) => join(place, name)).find((path) => existsSync(path));
    if (library === undefined) continue;
    const file = join(folder, `${name}.json`);
    const ICD = { library_path: library, api_version: '1.3.0' };
    writeFileSync(file, JSON.stringify({ file_format_version: '1.0.0', ICD }));
    yield file;
  }
}

function useDriver(file) {
  delete process.env.VK_DRIVER_FILES;
  delete process.env.VK_ICD_FILENAMES;
  if (file !== undefined) Object.assign(process.env, { VK_DRIVER_FILES: file, VK_ICD_FILENAMES: file });
}

/** A real GPU before a software driver before none. */
const rank = ({ adapter }) => (adapter === undefined ? 0 : adapter.software ? 1 : 2);

/**
 * Sets the environment for child processes to the first driver with a real GPU, else with any adapter.
 * @param folder where files that name a driver may be written.
 * @returns what `engineInfo` says with that driver, and every attempt.
 */
export async function findDriver(folder) {
  const attempts = [];
  let best;
  for (const file of candidates(folder)) {
    if (file !== undefined) useDriver(file);
    const info = await engineInfo();
    const { adapter, problem } = info.engines.find(({ name }) => name === 'webgpu');
    const attempt = { driver: file, adapter, problem };
    attempts.push(attempt);
    if (best === undefined || rank(attempt) > rank(best)) best = { ...attempt, info };
    if (rank(best) === 2) break;
  }
  if (attempts.length > 1) useDriver(best.driver);
  return { ...best, attempts };
}

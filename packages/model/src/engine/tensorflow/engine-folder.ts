/**
 * Where the TensorFlow engine lives: outside node_modules, so that `npm ci` does not remove it. The folder is published
 * in one rename; what is in it is whole.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

/** The TensorFlow release whose C library the engine uses. */
export const TENSORFLOW_VERSION = '2.21.0';

/** Raised when the way the engine is built changes, so that an older one is not taken for a current one. */
const BUILD = 1;

export const BINDING_FILE = 'tfjs_binding.node';
export const RECEIPT_FILE = 'engine.json';

const receiptSchema = z.object({
  tensorflow: z.string(),
  gpu: z.boolean(),
  /** SHA-256 of the compiled binding. */
  bindingSha256: z.string(),
});
export type EngineReceipt = z.infer<typeof receiptSchema>;

/**
 * `$SELECTIVE_DPO_ENGINE_DIR`, or the user's cache folder; then one folder a version and platform.
 * @param gpu the variant with CUDA libraries.
 */
export function engineFolder(gpu: boolean): string {
  const own = process.env['SELECTIVE_DPO_ENGINE_DIR'];
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const name = `tensorflow-${TENSORFLOW_VERSION}-${gpu ? 'cuda' : 'cpu'}-${process.platform}-${process.arch}-b${BUILD}`;
  return join(own ?? join(cache, 'selective-dpo', 'engines'), name);
}

/** An installed engine. */
export interface InstalledEngine {
  folder: string;
  binding: string;
  receipt: EngineReceipt;
}

/** The engine to load: the CUDA variant where it is installed, else the CPU one, else undefined. */
export function installedEngine(): InstalledEngine | undefined {
  for (const gpu of [true, false]) {
    const folder = engineFolder(gpu);
    const receipt = readReceipt(join(folder, RECEIPT_FILE));
    const binding = join(folder, BINDING_FILE);
    if (receipt !== undefined && existsSync(binding)) return { folder, binding, receipt };
  }
  return undefined;
}

function readReceipt(file: string): EngineReceipt | undefined {
  try {
    return receiptSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/**
 * Where the TensorFlow engine lives: outside node_modules, so that `npm ci` does not remove it. The folder is published
 * in one rename; what is in it is whole.
 */
import { readFileSync, statSync } from 'node:fs';
import { sha256, userCacheFolder } from '@selective-dpo/foundation';
import { join } from 'node:path';
import { z } from 'zod';

/** The TensorFlow release whose C library the engine uses. */
export const TENSORFLOW_VERSION = '2.21.0';

/** Raised when the way the engine is built changes, so that an older one is not taken for a current one. */
const BUILD = 7;

export const BINDING_FILE = 'tfjs_binding.node';
/** Loaded before the binding; see native-sources.ts. */
export const PRELOAD_FILE = 'preload.node';
/** The unpacked wheels. */
export const SITE_FOLDER = 'site';
/** Says that everything else is there; written last. */
export const RECEIPT_FILE = 'engine.json';

const receiptSchema = z.object({
  tensorflow: z.string(),
  gpu: z.boolean(),
  /** SHA-256 of the two compiled modules, by file name. */
  compiled: z.object({ [BINDING_FILE]: z.string(), [PRELOAD_FILE]: z.string() }),
  /** Size in bytes of TensorFlow's libraries, by file name: hashing a gigabyte at every start would cost seconds. */
  libraries: z.record(z.string(), z.number()),
});
export type EngineReceipt = z.infer<typeof receiptSchema>;

/**
 * `$SELECTIVE_DPO_ENGINE_DIR`, or the user's cache folder; then one folder a version and platform.
 * @param gpu the variant with CUDA libraries.
 */
export function engineFolder(gpu: boolean): string {
  const own = process.env['SELECTIVE_DPO_ENGINE_DIR'];
  const name = `tensorflow-${TENSORFLOW_VERSION}-${gpu ? 'cuda' : 'cpu'}-${process.platform}-${process.arch}-b${BUILD}`;
  return join(own ?? join(userCacheFolder(), 'engines'), name);
}

/** An installed engine. */
export interface InstalledEngine {
  folder: string;
  binding: string;
  preload: string;
  receipt: EngineReceipt;
}

/** The engine to load: the CUDA variant where it is installed, else the CPU one, else undefined. */
export function installedEngine(): InstalledEngine | undefined {
  for (const gpu of [true, false]) {
    const folder = engineFolder(gpu);
    const receipt = readReceipt(join(folder, RECEIPT_FILE));
    const [binding, preload] = [join(folder, BINDING_FILE), join(folder, PRELOAD_FILE)];
    if (receipt !== undefined) return { folder, binding, preload, receipt };
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

/**
 * What is wrong with the files of an installed engine, e.g. after a full disk or a hand in the folder; undefined
 * when compiled modules have their digests and libraries their sizes.
 */
export function damageOf({ folder, receipt }: InstalledEngine): string | undefined {
  try {
    for (const [name, digest] of Object.entries(receipt.compiled)) {
      if (sha256(readFileSync(join(folder, name))) !== digest) return `${name} has other contents`;
    }
    for (const [name, bytes] of Object.entries(receipt.libraries)) {
      const found = statSync(join(folder, SITE_FOLDER, 'tensorflow', name)).size;
      if (found !== bytes) return `${name} has ${found} bytes instead of ${bytes}`;
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * The engine `tensorflow`: tfjs-node-gpu's backend over TensorFlow's C library. The package's own entry point looks for
 * a binding inside node_modules; here its backend class is given the binding that `sdpo engine install` built.
 */
import { createRequire } from 'node:module';
import type * as nodeUtil from 'node:util';
import type { KernelBackend } from '@tensorflow/tfjs-core';
import { InputError } from '@selective-dpo/foundation';
import { floatsOf, useBackend } from '../backend.js';
import type { Engine, EnginePrecision } from '../engine.js';
import { registerInPlaceSums } from '../in-place-sums.js';
import { registerRowWriter } from '../row-writes.js';
import { tensorflowEnvironment } from '../matmul-probe.js';
import { tf } from '../tfjs-setup.js';
import { TENSORFLOW_VERSION, damageOf, installedEngine, type InstalledEngine } from './engine-folder.js';
import { TensorflowKernels, type TensorflowBackend, type TensorflowBinding } from './kernels.js';
import { registerFusedKernels } from './register-fused-kernels.js';
import { tensorflowAdamW } from './tensorflow-adamw.js';
import { tensorflowRowWriter } from './tensorflow-row-writer.js';
import { tensorflowSums } from './tensorflow-sums.js';

const require = createRequire(import.meta.url);

/** 0.4 GiB with the library loaded, and up to half a GiB of kernels that it prepares for the shapes it meets. */
const PROCESS_BYTES = 0.9 * 2 ** 30;

interface Loaded {
  binding: TensorflowBinding;
  precision: EnginePrecision;
}

/** Loading is once a process: the library keeps its settings for good. */
let loaded: Loaded | InputError | undefined;

let fusedRegistered = false;

/**
 * Why the engine cannot be used, or undefined where nothing speaks against it: whether it loads is known once it has
 * been opened.
 */
export function tensorflowProblem(): InputError | undefined {
  if (loaded !== undefined) return loaded instanceof InputError ? loaded : undefined;
  const engine = installedEngine();
  if (engine === undefined) return notInstalled();
  const damage = damageOf(engine);
  return damage === undefined ? undefined : broken(engine, damage);
}

/** @throws InputError `engine-not-available`, `engine-precision`. */
export async function openTensorflowEngine(precision: EnginePrecision): Promise<Engine> {
  loaded ??= load(precision);
  if (loaded instanceof InputError) throw loaded;
  if (loaded.precision !== precision) {
    throw new InputError(
      'engine-precision',
      'the precision of a process is fixed once its engine has loaded',
      {
        field: 'precision',
        found: precision,
        expected: loaded.precision,
        hint: 'use another process',
      },
    );
  }
  await useBackend('tensorflow');
  const { binding } = loaded;
  const backend = tf.backend() as unknown as TensorflowBackend;
  const kernels = new TensorflowKernels(backend, binding);
  if (!backend.isUsingGpuDevice && !fusedRegistered) {
    registerFusedKernels(kernels);
    registerInPlaceSums('tensorflow', tensorflowSums(kernels));
    registerRowWriter('tensorflow', tensorflowRowWriter(kernels));
  }
  fusedRegistered = true;
  return {
    name: 'tensorflow',
    precision,
    tf,
    memoryLimitBytes: undefined,
    processBytes: PROCESS_BYTES,
    fusedAdamW: tensorflowAdamW(kernels, !backend.isUsingGpuDevice),
    describe: () => describe(kernels, backend, { precision, tensorflow: binding.TF_Version }),
    // A tensor that no kernel has used yet still is the array it was made from.
    readFloats: async (tensor) => (await floatsOf(tensor)).slice(),
  };
}

/** `device` is there on a GPU alone: on a processor `kernels` names its instructions. */
function describe(
  kernels: TensorflowKernels,
  backend: TensorflowBackend,
  given: { precision: string; tensorflow: string },
): Record<string, string> {
  return {
    engine: 'tensorflow',
    ...given,
    tfjs: tf.version_core,
    kernels: kernelsOf(kernels, backend),
    ...(backend.isUsingGpuDevice ? { device: 'gpu' } : {}),
  };
}

/** Which of the fused kernels' compilations this processor runs: sums in other widths end in other last bits. */
function kernelsOf(kernels: TensorflowKernels, backend: TensorflowBackend): string {
  if (backend.isUsingGpuDevice) return 'plain';
  const [place] = tf.tidy(() => kernels.single('SdpoInstructions', {}, []).dataSync());
  return `selective-dpo-1 ${['baseline', 'avx2', 'avx512'][place!]}`;
}

function load(precision: EnginePrecision): Loaded | InputError {
  const engine = installedEngine();
  if (engine === undefined) return notInstalled();
  const damage = damageOf(engine);
  if (damage !== undefined) return broken(engine, damage);
  Object.assign(process.env, tensorflowEnvironment(precision));
  try {
    require(engine.preload);
    const binding = require(engine.binding) as TensorflowBinding;
    provideRemovedNodeFunctions();
    require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js');
    const { NodeJSKernelBackend } = require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js') as {
      NodeJSKernelBackend: new (binding: TensorflowBinding, packageName: string) => KernelBackend;
    };
    tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node-gpu'));
    return { binding, precision };
  } catch (error) {
    return broken(engine, (error as Error).message.split('\n')[0]!);
  }
}

function broken(engine: InstalledEngine, found: string): InputError {
  return new InputError('engine-not-available', 'the TensorFlow engine is installed but does not load', {
    file: engine.folder,
    found,
    expected: `TensorFlow ${TENSORFLOW_VERSION}`,
    hint: 'delete this folder and install again with: sdpo engine install',
  });
}

function notInstalled(): InputError {
  return new InputError('engine-not-available', 'the TensorFlow engine is not installed', {
    hint: 'install it with: sdpo engine install',
  });
}

/** tfjs-node-gpu calls `util.isNullOrUndefined`, which Node 23 removed. */
function provideRemovedNodeFunctions(): void {
  const legacy = require('node:util') as typeof nodeUtil & {
    isNullOrUndefined?: (value: unknown) => boolean;
  };
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
}

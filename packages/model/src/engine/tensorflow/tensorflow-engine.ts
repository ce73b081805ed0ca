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
import { tf } from '../tfjs-setup.js';
import { TENSORFLOW_VERSION, installedEngine } from './engine-folder.js';
import { TensorflowKernels, type TensorflowBackend, type TensorflowBinding } from './kernels.js';
import { tensorflowAdamW } from './tensorflow-adamw.js';

const require = createRequire(import.meta.url);

const INSTALL_HINT = 'install it with: sdpo engine install';

interface Loaded {
  binding: TensorflowBinding;
  precision: EnginePrecision;
}

/** Loading is once a process: the library keeps its settings for good. */
let loaded: Loaded | InputError | undefined;

/**
 * Why the engine cannot be used, or undefined when it can. Loads it to find out, in fp32 unless it is loaded already.
 */
export function tensorflowProblem(): InputError | undefined {
  if (loaded === undefined && installedEngine() === undefined) return notInstalled();
  return loaded instanceof InputError ? loaded : undefined;
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
  const kernels = new TensorflowKernels(tf.backend() as unknown as TensorflowBackend, binding);
  return {
    name: 'tensorflow',
    precision,
    tf,
    memoryLimitBytes: undefined,
    fusedAdamW: tensorflowAdamW(kernels),
    describe: () => ({
      engine: 'tensorflow',
      precision,
      tfjs: tf.version_core,
      tensorflow: binding.TF_Version,
    }),
    readFloats: floatsOf,
  };
}

function load(precision: EnginePrecision): Loaded | InputError {
  const engine = installedEngine();
  if (engine === undefined) return notInstalled();
  // oneDNN reads this when the library loads: float32 tensors, products in bfloat16 (AMX, AVX-512) with float32 sums.
  if (precision === 'bf16-matmul') process.env['TF_SET_ONEDNN_FPMATH_MODE'] = 'BF16';
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  try {
    const binding = require(engine.binding) as TensorflowBinding;
    provideRemovedNodeFunctions();
    require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js');
    const { NodeJSKernelBackend } = require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js') as {
      NodeJSKernelBackend: new (binding: TensorflowBinding, packageName: string) => KernelBackend;
    };
    tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node-gpu'));
    return { binding, precision };
  } catch (error) {
    return new InputError('engine-not-available', 'the TensorFlow engine is installed but does not load', {
      file: engine.binding,
      found: (error as Error).message.split('\n')[0]!,
      expected: `TensorFlow ${TENSORFLOW_VERSION}`,
      hint: `delete the folder ${engine.folder} and install again with: sdpo engine install`,
    });
  }
}

function notInstalled(): InputError {
  return new InputError('engine-not-available', 'the TensorFlow engine is not installed', {
    field: 'engine',
    found: 'tensorflow',
    expected: 'an installed engine',
    hint: INSTALL_HINT,
  });
}

/** tfjs-node-gpu calls `util.isNullOrUndefined`, which Node 23 removed. */
function provideRemovedNodeFunctions(): void {
  const legacy = require('node:util') as typeof nodeUtil & {
    isNullOrUndefined?: (value: unknown) => boolean;
  };
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
}

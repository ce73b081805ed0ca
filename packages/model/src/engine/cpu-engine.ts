/** The engine of tfjs's own JavaScript kernels: no setup, no surprises, slow. Tests use it as an oracle. */
import type { Engine, EnginePrecision } from './engine.js';
import { floatsOf, refuseBf16, useBackend } from './backend.js';
import { tf } from './tfjs-setup.js';

/** @throws InputError `engine-precision`: there is no bfloat16 here. */
export async function openCpuEngine(precision: EnginePrecision): Promise<Engine> {
  refuseBf16('cpu', precision);
  await useBackend('cpu');
  return {
    name: 'cpu',
    precision,
    tf,
    memoryLimitBytes: undefined,
    fusedAdamW: undefined,
    describe: () => ({ engine: 'cpu', precision, tfjs: tf.version_core }),
    // The JavaScript backend hands out its own array; a caller may write into what it gets.
    readFloats: async (tensor) => (await floatsOf(tensor)).slice(),
  };
}

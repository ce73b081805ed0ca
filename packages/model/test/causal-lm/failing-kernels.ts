import * as tf from '@tensorflow/tfjs-core';

type Run = (...given: unknown[]) => unknown;

/** Where kernels pass through: tfjs's engine, and TensorFlow's backend, which also runs kernels that tfjs does not know. */
function doors(): { owner: Record<string, Run>; name: string }[] {
  const engine = tf.engine() as unknown as Record<string, Run>;
  if (tf.getBackend() !== 'tensorflow') return [{ owner: engine, name: 'runKernel' }];
  const backend = tf.backend() as unknown as Record<string, Run>;
  return ['executeSingleOutput', 'executeMultipleOutputs'].map((name) => ({ owner: backend, name }));
}

export class InjectedFailure extends Error {}

/**
 * Runs `work` while the `failing`-th kernel (from 1 on; none for Infinity) throws.
 * @returns how many kernels were called, and whether `work` failed by it.
 */
export async function withFailingKernel(
  failing: number,
  work: () => Promise<unknown>,
): Promise<{ calls: number; failed: boolean }> {
  let calls = 0;
  const held = doors().map((door) => ({
    ...door,
    own: Object.hasOwn(door.owner, door.name),
    run: door.owner[door.name]!,
  }));
  for (const { owner, name, run } of held) {
    owner[name] = (...given) => {
      calls++;
      if (calls === failing) throw new InjectedFailure(`kernel call ${calls}`);
      return run.apply(owner, given);
    };
  }
  try {
    await work();
    return { calls, failed: false };
  } catch (error) {
    if (error instanceof InjectedFailure) return { calls, failed: true };
    throw error;
  } finally {
    for (const { owner, name, own, run } of held) {
      if (own) owner[name] = run;
      else Reflect.deleteProperty(owner, name);
    }
  }
}

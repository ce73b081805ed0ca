/** What the rest of the project needs from a TensorFlow.js engine; {@link openEngine} gives one. */
import type * as tf from '@tensorflow/tfjs-core';
import type { FusedAdamW } from './fused-adamw.js';

/**
 * `tensorflow`: TensorFlow's C library; `webgpu`: GPUs of any maker; `wasm`: nothing but npm; `cpu`: plain JavaScript, the
 * tests' oracle.
 */
export type EngineName = 'tensorflow' | 'webgpu' | 'wasm' | 'cpu';

/** What may be asked for: an engine, or the best one that is there (see {@link autoOrder}). */
export const ENGINE_CHOICES = ['auto', 'tensorflow', 'webgpu', 'wasm', 'cpu'] as const;

/**
 * `fp32`: every value and every product in float32. `bf16-matmul`: tensors stay float32, matrix products may round
 * their operands to bfloat16 and accumulate in float32. It is a permission: oneDNN uses it on processors with AMX,
 * and computes the same bits as `fp32` on others (seen on an AMD EPYC with AVX-512 bf16). With CUDA `fp32` turns TF32 off,
 * and `bf16-matmul` allows it (not tried: no GPU was there).
 */
export type EnginePrecision = 'fp32' | 'bf16-matmul';

/**
 * Engines in the order in which `auto` tries them. A GPU is faster than any engine on the processor, and CUDA is
 * faster than WebGPU on the same GPU; `webgpu` counts here only with a real GPU, never with a software driver; `cpu` is
 * too slow to be chosen for anybody.
 * @param cuda whether the TensorFlow engine that is installed is the variant for CUDA.
 */
export function autoOrder(cuda: boolean): readonly EngineName[] {
  return cuda ? ['tensorflow', 'webgpu', 'wasm'] : ['webgpu', 'tensorflow', 'wasm'];
}

export interface Engine {
  readonly name: EngineName;
  readonly precision: EnginePrecision;
  /** The tfjs namespace with gradients registered; the engine's kernels serve it while the engine is current. */
  readonly tf: typeof tf;
  /** Bytes that all tensors together can take; undefined where the machine's memory is the limit. */
  readonly memoryLimitBytes: number | undefined;
  /** Bytes the process takes with the engine open and no model in it, with what the engine comes to hold for itself. */
  readonly processBytes: number;
  /** The optimiser's inner step as kernels of the engine; undefined where plain ops are all there is. */
  readonly fusedAdamW: FusedAdamW | undefined;
  /**
   * Everything about the engine that can change a computed value, for cache manifests and run directories:
   * names and versions, as short texts.
   */
  describe(): Record<string, string>;
  /**
   * The values of a float32 tensor as a copy that belongs to the caller.
   * @throws TypeError for a tensor of another type.
   */
  readFloats(tensor: tf.Tensor): Promise<Float32Array>;
}

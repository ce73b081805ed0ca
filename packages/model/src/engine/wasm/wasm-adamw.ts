/** AdamW as one pass over parameter, moments and gradient on the WebAssembly heap (packages/model/assembly/adamw.ts). */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import type { AdamWHyperparameters, FusedAdamW } from '../fused-adamw.js';
import { TensorSlot } from '../tensor-slot.js';
import { addressOf } from './heap.js';
import { kernelModule } from './kernel-module.js';

/** The fused optimiser of an open wasm engine. */
export function wasmAdamW(backend: BackendWasm): FusedAdamW {
  return { slot: (value, moments) => new HeapSlot(backend, value, moments) };
}

class HeapSlot extends TensorSlot {
  constructor(
    private readonly backend: BackendWasm,
    ...state: ConstructorParameters<typeof TensorSlot>
  ) {
    super(...state);
  }

  update(step: number, gradient: tf.Tensor, options: AdamWHyperparameters): void {
    this.refuseOthers(gradient);
    const { learningRate, beta1, beta2, epsilon, weightDecay, gradientScale = 1 } = options;
    this.parameter = this.unshared(this.parameter);
    this.expAvg = this.unshared(this.expAvg);
    this.expAvgSq = this.unshared(this.expAvgSq);
    const tensors = [this.parameter, this.expAvg, this.expAvgSq, gradient];
    const numbers = [
      gradientScale,
      beta1,
      1 - beta1,
      beta2,
      1 - beta2,
      1 - learningRate * weightDecay,
      learningRate / (1 - beta1 ** step),
      Math.sqrt(1 - beta2 ** step),
      epsilon,
    ];
    const addresses = tensors.map((tensor) => addressOf(this.backend, tensor));
    kernelModule(this.backend).kernels.adamW(gradient.size, ...addresses, ...numbers);
  }

  /** The kernel takes as many numbers of all four as the gradient has. */
  private refuseOthers(gradient: tf.Tensor): void {
    for (const { dtype, shape } of [this.parameter, this.expAvg, this.expAvgSq]) {
      if (gradient.dtype === 'float32' && dtype === 'float32' && tf.util.arraysEqual(shape, gradient.shape)) {
        continue;
      }
      throw new RangeError(
        `SdpoAdamW: state ${dtype} [${shape}] for a gradient ${gradient.dtype} [${gradient.shape}]`,
      );
    }
  }

  /** The tensor itself where nothing else stands on its memory, else a copy in its place. */
  private unshared(tensor: tf.Tensor): tf.Tensor {
    if (this.backend.refCount(tensor.dataId) === 1) return tensor;
    const info = this.backend.makeOutput(tensor.shape, 'float32');
    const copy = tf.keep(tf.engine().makeTensorFromTensorInfo(info));
    this.backend.typedArrayFromHeap(copy).set(this.backend.typedArrayFromHeap(tensor));
    tensor.dispose();
    return copy;
  }
}

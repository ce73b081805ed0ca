/** Any TensorFlow kernel by its name in TensorFlow's op registry, also those for which tfjs has no op. */
import type { Tensor } from '@tensorflow/tfjs-core';

/** What this project uses of the compiled binding. Constants are values of the C API's enums. */
export interface TensorflowBinding {
  readonly TF_Version: string;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_SHAPE: number;
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_BOOL: number;
}

/** The part of tfjs-node's backend that runs kernels by name. */
export interface TensorflowBackend {
  readonly isUsingGpuDevice: boolean;
  executeMultipleOutputs(
    name: string,
    attributes: readonly { name: string; type: number; value: unknown }[],
    inputs: readonly Tensor[],
    outputs: number,
  ): Tensor[];
}

/** A text, a truth value, a shape, or a number or element type by its kind. */
export type KernelAttribute =
  | string
  | boolean
  | readonly number[]
  | { int: number }
  | { float: number }
  | { dtype: 'float32' | 'int32' | 'bool' };

/** Runs kernels by name on an open TensorFlow backend. */
export class TensorflowKernels {
  constructor(
    private readonly backend: TensorflowBackend,
    private readonly binding: TensorflowBinding,
  ) {}

  /**
   * @param name e.g. `ResourceApplyAdam`.
   * @param outputs how many tensors the kernel gives; they belong to the enclosing tidy, or to the caller.
   * @throws Error with TensorFlow's message for an unknown name, a missing attribute or inputs that do not fit.
   */
  run(
    name: string,
    attributes: Record<string, KernelAttribute>,
    inputs: readonly Tensor[],
    outputs: number,
  ): Tensor[] {
    const encoded = Object.entries(attributes).map(([key, value]) => ({ name: key, ...this.encode(value) }));
    return this.backend.executeMultipleOutputs(name, encoded, inputs, outputs);
  }

  /** {@link run} for a kernel with one output. */
  single(name: string, attributes: Record<string, KernelAttribute>, inputs: readonly Tensor[]): Tensor {
    return this.run(name, attributes, inputs, 1)[0]!;
  }

  private encode(value: KernelAttribute): { type: number; value: unknown } {
    const { binding } = this;
    if (typeof value === 'string') return { type: binding.TF_ATTR_STRING, value };
    if (typeof value === 'boolean') return { type: binding.TF_ATTR_BOOL, value };
    if ('int' in value) return { type: binding.TF_ATTR_INT, value: value.int };
    if ('float' in value) return { type: binding.TF_ATTR_FLOAT, value: value.float };
    if ('dtype' in value) {
      const types = { float32: binding.TF_FLOAT, int32: binding.TF_INT32, bool: binding.TF_BOOL };
      return { type: binding.TF_ATTR_TYPE, value: types[value.dtype] };
    }
    return { type: binding.TF_ATTR_SHAPE, value };
  }
}

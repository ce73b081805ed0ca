/** Runs a compute shader of this project on tfjs's WebGPU backend. */
import { util, type DataType, type TensorInfo } from '@tensorflow/tfjs-core';
import type { WebgpuBackend } from './gpu-types.js';

export interface Shader {
  /** Shaders of one name have one source, but for what {@link Shader.constants} adds. */
  name: string;
  /** Inputs by the name of their buffer in the source: `array<f32>`, or `array<i32>` of an int32 tensor. */
  inputs: Record<string, TensorInfo>;
  /** The source sees the elements as `result`, and their number as `uniforms.size`. */
  output: number[];
  /** A tensor of the output's size to write into and to give back, instead of a new one. */
  into?: TensorInfo;
  /** Numbers that differ from call to call, as `uniforms.NAME`; a whole number in `ints` is an i32. */
  ints?: Record<string, number>;
  floats?: Record<string, number>;
  /** Numbers that the compiler has to know, as `NAME`: every other value makes another pipeline. */
  constants?: Record<string, number>;
  /** Threads of a workgroup, as `THREADS`. Default 64. */
  threads?: number;
  /** Workgroups; default: one thread an element of the output. */
  groups?: number;
  /**
   * Declares `fn main(index : i32)`, index being the thread's place among all. There may be more threads than asked for:
   * writes must look at it.
   */
  source: string;
}

const THREADS = 64;

/** The output belongs to the caller. */
export function runShader(backend: WebgpuBackend, shader: Shader, dtype: DataType = 'float32'): TensorInfo {
  const { name, inputs, output, ints = {}, floats = {}, constants = {}, source } = shader;
  const threads = shader.threads ?? THREADS;
  const size = util.sizeFromShape(output);
  const declared = Object.entries({ ...constants, THREADS: threads });
  const program = {
    variableNames: Object.keys(inputs),
    outputShape: [size],
    dispatchLayout: { x: [0] },
    dispatch: [shader.groups ?? Math.ceil(size / threads), 1, 1] as [number, number, number],
    workgroupSize: [threads, 1, 1] as [number, number, number],
    uniforms: [
      ...Object.keys(ints).map((key) => `${key} : i32,`),
      ...Object.keys(floats).map((key) => `${key} : f32,`),
    ].join(' '),
    size: true,
    shaderKey: `sdpo${name}_${Object.values(constants).join('_')}`,
    getUserCode: () =>
      `${declared.map(([key, value]) => `const ${key} : i32 = ${value};`).join('\n')}\n${source}`,
  };
  const uniforms = [
    ...Object.values(ints).map((value) => ({ type: 'int32' as const, data: [value] })),
    ...Object.values(floats).map((value) => ({ type: 'float32' as const, data: [value] })),
  ];
  // Buffers are read by flat index; rank 1 for all keeps the number of pipelines down.
  const flat = Object.values(inputs).map((input) => flattened(input)!);
  const result = backend.runWebGPUProgram(program, flat, dtype, uniforms, flattened(shader.into));
  return { ...result, shape: output };
}

function flattened(tensor: TensorInfo | undefined): TensorInfo | undefined {
  return tensor === undefined ? undefined : { ...tensor, shape: [util.sizeFromShape(tensor.shape)] };
}

/**
 * Source of `sumOfGroup` and `maxOfGroup`: a value of every thread of a workgroup → one for all of them, in a tree
 * of fixed order. All threads have to call.
 */
export const GROUP_REDUCTIONS = `
  var<workgroup> partial : array<f32, THREADS>;

  fn sumOfGroup(value : f32) -> f32 {
    let thread = i32(localId.x);
    partial[thread] = value;
    workgroupBarrier();
    for (var reach = THREADS / 2; reach > 0; reach /= 2) {
      if (thread < reach) { partial[thread] += partial[thread + reach]; }
      workgroupBarrier();
    }
    let total = partial[0];
    workgroupBarrier();
    return total;
  }

  fn maxOfGroup(value : f32) -> f32 {
    let thread = i32(localId.x);
    partial[thread] = value;
    workgroupBarrier();
    for (var reach = THREADS / 2; reach > 0; reach /= 2) {
      if (thread < reach) { partial[thread] = max(partial[thread], partial[thread + reach]); }
      workgroupBarrier();
    }
    let largest = partial[0];
    workgroupBarrier();
    return largest;
  }
`;

/** Threads for a workgroup that reads a row of `width` elements: a power of two. */
export function threadsForRow(width: number): number {
  return width >= 2048 ? 256 : 64;
}

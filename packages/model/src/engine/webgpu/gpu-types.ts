/** The parts of the WebGPU interface (W3C, https://www.w3.org/TR/webgpu/) and of tfjs's backend that this engine uses. */
import type {
  DataType,
  KernelBackend,
  NamedAttrMap,
  NamedTensorInfoMap,
  TensorInfo,
} from '@tensorflow/tfjs-core';

export interface GpuAdapterInfo {
  /** E.g. `nvidia`, `amd`, `mesa`; may be empty. */
  vendor: string;
  /** E.g. `ampere`, `rdna-3`, `software`; may be empty. */
  architecture: string;
  device: string;
  /** For a person, e.g. `llvmpipe: Mesa 25.0.7`. */
  description: string;
  isFallbackAdapter?: boolean;
}

/** Names of WebGPU limits. */
export type LimitName =
  | 'maxStorageBufferBindingSize'
  | 'maxBufferSize'
  | 'maxComputeWorkgroupStorageSize'
  | 'maxComputeWorkgroupsPerDimension'
  | 'maxComputeWorkgroupSizeX'
  | 'maxComputeInvocationsPerWorkgroup'
  | 'maxStorageBuffersPerShaderStage';

export type GpuLimits = Readonly<Record<LimitName, number>>;

export interface GpuAdapter {
  readonly info: GpuAdapterInfo;
  readonly limits: GpuLimits;
  requestDevice(descriptor: { requiredLimits: Partial<GpuLimits> }): Promise<GpuDevice>;
}

export interface GpuError {
  readonly message: string;
}

/** What tells of errors that no call reported. */
export interface GpuErrorSource {
  readonly lost: Promise<{ reason: string; message: string }>;
  addEventListener(type: 'uncapturederror', listener: (event: { error: GpuError }) => void): void;
}

export interface GpuDevice extends GpuErrorSource {
  readonly limits: GpuLimits;
  readonly queue: { onSubmittedWorkDone(): Promise<void> };
  destroy(): void;
}

export interface GpuBuffer {
  readonly size: number;
  destroy(): void;
}

/** tfjs's pool of buffers: released ones are kept by size for the next tensor of that size. */
export interface BufferManager {
  numBytesUsed: number;
  numBytesAllocated: number;
  numFreeBuffers: number;
  readonly freeBuffers: Map<string, GpuBuffer[]>;
  acquireBuffer(size: number, usage: number, mappedAtCreation?: boolean, reuse?: boolean): GpuBuffer;
}

/** A compute shader as tfjs describes one. */
export interface WebgpuProgram {
  /** Names of the inputs' buffers in the shader. */
  variableNames: string[];
  outputShape: number[];
  /** Which axes of the output the x axis of the dispatch covers. */
  dispatchLayout: { x: number[] };
  dispatch: [number, number, number];
  workgroupSize: [number, number, number];
  /** Declarations of the uniforms of this program, e.g. `width : i32,`. */
  uniforms?: string;
  /** Programs with one key share one compiled pipeline. */
  shaderKey: string;
  /** Whether the shader gets `uniforms.size`, the number of output elements. */
  size?: boolean;
  getUserCode(): string;
}

export interface ProgramUniform {
  type: 'int32' | 'float32';
  data: number[];
}

export interface WebgpuBackend extends KernelBackend {
  readonly device: GpuDevice;
  readonly bufferManager: BufferManager;
  readonly tensorMap: { get(dataId: object): { values: ArrayLike<number> | null } };
  /** Few groups of 32 × 32 outputs leave a GPU idle; from how many on tfjs takes another program. */
  readonly thresholdToIncreaseWorkgroups: number;
  runWebGPUProgram(
    program: WebgpuProgram,
    inputs: TensorInfo[],
    outputDtype: DataType,
    uniforms?: ProgramUniform[],
    output?: TensorInfo,
  ): TensorInfo;
  makeTensorInfo(shape: number[], dtype: DataType, values?: Int32Array | Float32Array): TensorInfo;
  disposeData(dataId: object): boolean;
}

/** What tfjs passes to a kernel. */
export interface KernelCall {
  inputs: NamedTensorInfoMap;
  backend: WebgpuBackend;
  attrs: NamedAttrMap;
}

export type Kernel = (call: KernelCall) => TensorInfo;

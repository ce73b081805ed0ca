/**
 * Opens an engine in a process of its own and times a float32 matrix product there: a library that does not fit this
 * processor ends that process, not this one. The script loads the packages itself, because the process has
 * none of this project's modules, whether they run from source or built.
 */
import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InputError } from '@selective-dpo/foundation';
import type { EngineName, EnginePrecision } from './engine.js';
import { lastWords, runProgram } from './tensorflow/run-program.js';
import { noAdapter } from './webgpu/adapter.js';
import type { GpuAdapterInfo } from './webgpu/gpu-types.js';

const require = createRequire(import.meta.url);

/** [m, k] × [k, n]: a transformer's shape; the JavaScript kernels get a smaller one to be done in a second. */
const SHAPE: Record<EngineName, [number, number, number]> = {
  tensorflow: [512, 1024, 1024],
  webgpu: [512, 1024, 1024],
  wasm: [512, 1024, 1024],
  cpu: [64, 256, 256],
};

const DEADLINE_MS = 120_000;

/** A processor takes a moment to reach its speed: at least so many products, and at least so long. */
const MIN_SAMPLES = 10;
const SAMPLING_MS = 400;

const HINTS: Partial<Record<EngineName, string>> = {
  tensorflow: 'install it anew with: sdpo engine install',
  webgpu: "update the GPU's driver, or use another engine",
};

/** How the process says that WebGPU works but finds nothing to run on. */
const NO_ADAPTER = 3;

export interface ProbeOptions {
  engine: EngineName;
  precision: EnginePrecision;
  /** The compiled modules of the TensorFlow engine. */
  modules?: { preload: string; binding: string };
  /** Path of the npm package webgpu's module. */
  dawn?: string;
}

export interface ProbeResult {
  /** 10⁹ floating-point operations a second (2·m·k·n a product), median of those after the first five. */
  gflops: number;
  /** Version of the library that supplies the kernels. */
  version: string;
  /** What `webgpu` runs on. */
  adapter?: GpuAdapterInfo;
}

/** @throws InputError `engine-not-available` if the process ends without a right product. */
export async function measureMatMul(options: ProbeOptions): Promise<ProbeResult> {
  const env = { ...process.env, ...tensorflowEnvironment(options.precision) };
  const result = await runProgram(
    process.execPath,
    ['-e', engineScript(options, productScript(options.engine))],
    {
      env,
      deadline: DEADLINE_MS,
    },
  );
  const answer = result.code === 0 ? parseAnswer(result.stdout) : undefined;
  if (answer !== undefined) return answer;
  if (result.code === NO_ADAPTER) throw noAdapter();
  throw new InputError('engine-not-available', `the ${options.engine} engine fails a trial product`, {
    found: lastWords(result),
    hint: HINTS[options.engine] ?? 'install this package anew with npm ci',
  });
}

/**
 * What TensorFlow reads from the environment while it loads. oneDNN's mode keeps float32 tensors and multiplies in
 * bfloat16 (AMX, AVX-512) with float32 sums. Deterministic kernels are the default on a CPU; a GPU needs telling.
 *
 * On NVIDIA GPUs from Ampere on TensorFlow asks for TF32 (10 bits of fraction) in float32 products unless its Python interface
 * says no. NVIDIA's libraries (cuBLAS, cuDNN) obey NVIDIA_TF32_OVERRIDE=0 above what a program asks for, so `fp32` sets it;
 * `bf16-matmul`, which allows rougher operands still, leaves it alone. No GPU was there to try it on.
 */
export function tensorflowEnvironment(precision: EnginePrecision): Record<string, string> {
  const rough = precision === 'bf16-matmul';
  return {
    TF_CPP_MIN_LOG_LEVEL: '2',
    TF_DETERMINISTIC_OPS: '1',
    TF_SET_ONEDNN_FPMATH_MODE: rough ? 'BF16' : '',
    ...(rough ? {} : { NVIDIA_TF32_OVERRIDE: '0' }),
  };
}

function parseAnswer(stdout: string): ProbeResult | undefined {
  try {
    const answer = JSON.parse(stdout.trim().split('\n').at(-1)!) as ProbeResult;
    return Number.isFinite(answer.gflops) && typeof answer.version === 'string' ? answer : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A script for `node -e` that loads an engine's packages, makes it current, and runs `body`, in which `tf` and the
 * library's `version`, the GPU's `adapter` and `done` are in scope.
 */
export function engineScript({ engine, modules, dawn }: ProbeOptions, body: string): string {
  const path = (name: string): string => JSON.stringify(require.resolve(name));
  const node = (file: string): string => path(`@tensorflow/tfjs-node-gpu/dist/${file}.js`);
  const load: Record<EngineName, string> = {
    cpu: `version = tf.version_core;`,
    wasm: `
      const wasm = require(${path('@tensorflow/tfjs-backend-wasm')});
      wasm.setWasmPaths(${JSON.stringify(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep)});
      version = wasm.version_wasm;`,
    tensorflow: `
      require(${JSON.stringify(modules?.preload)});
      const binding = require(${JSON.stringify(modules?.binding)});
      require('util').isNullOrUndefined ??= (value) => value === null || value === undefined;
      require(${node('register_all_kernels')});
      const { NodeJSKernelBackend } = require(${node('nodejs_kernel_backend')});
      tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(binding, ''));
      version = binding.TF_Version;`,
    webgpu: `
      const { create, globals } = await import(${JSON.stringify(dawn === undefined ? '' : pathToFileURL(dawn).href)});
      Object.assign(globalThis, globals);
      Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) } });
      const found = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
      if (found === null) process.exit(${NO_ADAPTER});
      const { vendor, architecture, device, description, isFallbackAdapter } = found.info;
      adapter = { vendor, architecture, device, description, isFallbackAdapter };
      require(${path('@tensorflow/tfjs-backend-webgpu')});
      version = require(${path('@tensorflow/tfjs-backend-webgpu/package.json')}).version;
      done = async () => {
        const backend = tf.backend();
        backend.ensureCommandEncoderReady();
        backend.endComputePassEncoder();
        backend.submitQueue();
        await backend.queue.onSubmittedWorkDone();
      };`,
  };
  return `(async () => {
    const tf = require(${path('@tensorflow/tfjs-core')});
    tf.enableProdMode();
    require(${path('@tensorflow/tfjs')});
    let version, adapter;
    // Waits for work that goes on after an op has returned; only a GPU has such.
    let done = async () => undefined;
    ${load[engine]}
    if (!(await tf.setBackend('${engine}'))) process.exit(1);
    ${body}
  })();`;
}

/** A product is timed without reading it, which would add a copy: most backends compute before they return, others by `done`. */
function productScript(engine: EngineName): string {
  return `
    const [m, k, n] = ${JSON.stringify(SHAPE[engine])};
    const [a, b] = [tf.fill([m, k], 0.5), tf.fill([k, n], 2)];
    const product = tf.matMul(a, b);
    const values = await product.data();
    if (values[0] !== k || values[m * n - 1] !== k) process.exit(1);
    product.dispose();
    const seconds = [];
    const begin = performance.now();
    while (seconds.length < ${MIN_SAMPLES} || performance.now() - begin < ${SAMPLING_MS}) {
      const start = performance.now();
      tf.matMul(a, b).dispose();
      await done();
      seconds.push((performance.now() - start) / 1000);
    }
    const warm = seconds.slice(${MIN_SAMPLES} >> 1).sort((x, y) => x - y);
    const median = warm[warm.length >> 1];
    console.log(JSON.stringify({ gflops: (2 * m * k * n) / median / 1e9, version, adapter }));`;
}

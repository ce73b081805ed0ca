/** Opening an engine by name. tfjs has one current backend a process, so there is one current engine, too. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import { openCpuEngine } from './cpu-engine.js';
import { ENGINE_CHOICES, autoOrder, type Engine, type EngineName, type EnginePrecision } from './engine.js';
import { installedEngine } from './tensorflow/engine-folder.js';
import { openTensorflowEngine } from './tensorflow/tensorflow-engine.js';
import { openWasmEngine } from './wasm/wasm-engine.js';
import { openRealWebgpuEngine, openWebgpuEngine } from './webgpu/webgpu-engine.js';

export interface OpenEngineOptions {
  /** Default `fp32`. */
  precision?: EnginePrecision;
}

const OPENERS: Record<EngineName, (precision: EnginePrecision) => Promise<Engine>> = {
  tensorflow: openTensorflowEngine,
  webgpu: openWebgpuEngine,
  wasm: openWasmEngine,
  cpu: openCpuEngine,
};

/**
 * Opens an engine and makes it the current one of this process. Tensors made on another engine before remain
 * usable: tfjs moves them when an op needs them.
 * @param name `auto`: the first of {@link autoOrder} that is there, e.g. `wasm` where nothing was installed.
 * @throws InputError `engine-unknown`, `engine-precision`, `engine-not-available`, `engine-lost`.
 */
export async function openEngine(
  name: 'auto' | EngineName,
  options: OpenEngineOptions = {},
): Promise<Engine> {
  const precision = options.precision ?? 'fp32';
  if (name === 'auto') return openFirst(precision);
  if (!Object.hasOwn(OPENERS, name)) {
    throw new InputError('engine-unknown', 'there is no engine of this name', {
      field: 'engine',
      found: quoteValue(name),
      expected: ENGINE_CHOICES.join(', '),
    });
  }
  return OPENERS[name](precision);
}

/** The first engine of {@link autoOrder} that is there and starts; any other failure is the caller's to see. */
async function openFirst(precision: EnginePrecision): Promise<Engine> {
  const order = autoOrder(installedEngine()?.receipt.gpu === true);
  // Only tensorflow has other precisions than float32.
  const able = precision === 'fp32' ? order : order.filter((name) => name !== 'webgpu');
  for (const name of able.slice(0, -1)) {
    try {
      return await (name === 'webgpu' ? openRealWebgpuEngine : OPENERS[name])(precision);
    } catch (error) {
      if (!(error instanceof InputError && error.code === 'engine-not-available')) throw error;
    }
  }
  return OPENERS[able.at(-1)!](precision);
}

/** Opening an engine by name. tfjs has one current backend a process, so there is one current engine, too. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import { openCpuEngine } from './cpu-engine.js';
import type { Engine, EngineName, EnginePrecision } from './engine.js';
import { openTensorflowEngine, tensorflowProblem } from './tensorflow/tensorflow-engine.js';
import { openWasmEngine } from './wasm/wasm-engine.js';

export interface OpenEngineOptions {
  /** Default `fp32`. */
  precision?: EnginePrecision;
}

const OPENERS: Record<EngineName, (precision: EnginePrecision) => Promise<Engine>> = {
  tensorflow: openTensorflowEngine,
  wasm: openWasmEngine,
  cpu: openCpuEngine,
};

/**
 * Opens an engine and makes it the current one of this process. Tensors made on another engine before remain
 * usable: tfjs moves them when an op needs them.
 * @param name `auto`: `tensorflow` where it is installed and loads, else `wasm`.
 * @throws InputError `engine-unknown`, `engine-precision`, `engine-not-available`.
 */
export async function openEngine(
  name: 'auto' | EngineName,
  options: OpenEngineOptions = {},
): Promise<Engine> {
  const precision = options.precision ?? 'fp32';
  const chosen = name === 'auto' ? (tensorflowProblem() === undefined ? 'tensorflow' : 'wasm') : name;
  if (!Object.hasOwn(OPENERS, chosen)) {
    throw new InputError('engine-unknown', 'there is no engine of this name', {
      found: quoteValue(name),
      expected: 'auto, tensorflow, wasm or cpu',
    });
  }
  return OPENERS[chosen](precision);
}

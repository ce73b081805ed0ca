/** Opening an engine by name. tfjs has one current backend a process, so there is one current engine, too. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import { openCpuEngine } from './cpu-engine.js';
import { AUTO_ORDER, type Engine, type EngineName, type EnginePrecision } from './engine.js';
import { openTensorflowEngine } from './tensorflow/tensorflow-engine.js';
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
  if (name === 'auto') return openFirst(precision);
  if (!Object.hasOwn(OPENERS, name)) {
    throw new InputError('engine-unknown', 'there is no engine of this name', {
      field: 'engine',
      found: quoteValue(name),
      expected: 'auto, tensorflow, wasm or cpu',
    });
  }
  return OPENERS[name](precision);
}

/** The first engine of {@link AUTO_ORDER} that is there and starts; any other failure is the caller's to see. */
async function openFirst(precision: EnginePrecision): Promise<Engine> {
  for (const name of AUTO_ORDER.slice(0, -1)) {
    try {
      return await OPENERS[name](precision);
    } catch (error) {
      if (!(error instanceof InputError && error.code === 'engine-not-available')) throw error;
    }
  }
  return OPENERS[AUTO_ORDER.at(-1)!](precision);
}

/** `sdpo engine info`: which engines this machine has, how fast they are, and what to do for more. */
import { availableParallelism, totalmem } from 'node:os';
import { InputError } from '@selective-dpo/foundation';
import { autoOrder, type EngineName } from './engine.js';
import { measureMatMul, type ProbeResult } from './matmul-probe.js';
import { installedEngine } from './tensorflow/engine-folder.js';
import { tensorflowProblem } from './tensorflow/tensorflow-engine.js';
import { adapterName, isSoftwareAdapter } from './webgpu/adapter.js';
import { dawnEntry, dawnMissing } from './webgpu/dawn.js';

export interface AvailableEngine {
  name: EngineName;
  available: true;
  /** Of the libraries, for a person. */
  versions: string;
  /** 10⁹ operations a second of a float32 matrix product; undefined where it was not measured. */
  gflops: number | undefined;
  /** The same with precision `bf16-matmul`, where the engine has it. */
  bf16Gflops?: number;
  /** Of `webgpu`: the GPU, and whether it is a software driver, which `auto` leaves alone. */
  adapter?: { name: string; software: boolean };
}

export interface MissingEngine {
  name: EngineName;
  available: false;
  problem: string;
  hint: string | undefined;
}

export interface EngineInfo {
  engines: (AvailableEngine | MissingEngine)[];
  /** What `openEngine('auto')` takes. */
  auto: EngineName;
  cores: number;
  memoryBytes: number;
}

/** Measures one engine after the other, each in a process of its own; takes some seconds. */
export async function engineInfo(): Promise<EngineInfo> {
  const engines = [
    await tensorflowInfo(),
    await webgpuInfo(),
    await simpleInfo('wasm'),
    await simpleInfo('cpu'),
  ];
  const usable = (name: EngineName): boolean =>
    engines.some((e) => e.name === name && e.available && e.adapter?.software !== true);
  return {
    engines,
    auto: autoOrder(installedEngine()?.receipt.gpu === true).find(usable) ?? 'cpu',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

async function simpleInfo(name: EngineName): Promise<AvailableEngine | MissingEngine> {
  return settled(name, async () => describe(name, await measureMatMul({ engine: name, precision: 'fp32' })));
}

async function tensorflowInfo(): Promise<AvailableEngine | MissingEngine> {
  return settled('tensorflow', async () => {
    const problem = tensorflowProblem();
    if (problem !== undefined) throw problem;
    const modules = installedEngine()!;
    const engine = 'tensorflow';
    const fp32 = await measureMatMul({ engine, precision: 'fp32', modules });
    const bf16 = await measureMatMul({ engine, precision: 'bf16-matmul', modules });
    return { ...describe(engine, fp32), bf16Gflops: bf16.gflops };
  });
}

async function webgpuInfo(): Promise<AvailableEngine | MissingEngine> {
  return settled('webgpu', async () => {
    const dawn = dawnEntry();
    if (dawn === undefined) throw dawnMissing();
    const result = await measureMatMul({ engine: 'webgpu', precision: 'fp32', dawn });
    const info = result.adapter!;
    const adapter = { name: adapterName(info), software: isSoftwareAdapter(info) };
    return { ...describe('webgpu', result), adapter };
  });
}

function describe(name: EngineName, { gflops, version }: ProbeResult): AvailableEngine {
  const library = name === 'tensorflow' ? 'TensorFlow' : `tfjs ${name}`;
  return { name, available: true, versions: `${library} ${version}`, gflops };
}

async function settled(
  name: EngineName,
  measure: () => Promise<AvailableEngine>,
): Promise<AvailableEngine | MissingEngine> {
  try {
    return await measure();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { found, hint } = error.details;
    return {
      name,
      available: false,
      problem: found === undefined ? error.message : `${error.message}: ${found}`,
      hint,
    };
  }
}

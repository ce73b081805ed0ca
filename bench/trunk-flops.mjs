/** What a model's layers cost, and what this machine's matrix product can do. */
import { engineInfo, readModelConfig } from '@selective-dpo/model';

/** Parameters of all linear layers of the decoder layers. A token's forward pass takes two operations for each. */
export async function trunkParameters(directory) {
  const config = await readModelConfig(directory);
  const { hiddenSize: d, intermediateSize: f, numAttentionHeads: heads, numKeyValueHeads: kvHeads } = config;
  return config.numHiddenLayers * (d * (2 * heads + 2 * kvHeads) * config.headDim + 3 * d * f);
}

/** 10⁹ operations a second of a float32 matrix product on an engine; `auto` is the fastest. */
export async function matmulGflops(engine) {
  const info = await engineInfo();
  return info.engines.find(({ name }) => name === (engine === 'auto' ? info.auto : engine))?.gflops;
}

export { parseHeader, parseHeaderLength, MAX_HEADER_BYTES } from './safetensors-header.js';
export type { SafetensorsHeader, TensorInfo } from './safetensors-header.js';
export { openSafetensors, SafetensorsFile } from './safetensors-reader.js';
export { writeSafetensors, type TensorSource, type WritableDtype } from './safetensors-writer.js';
export {
  missingWeights,
  openWeights,
  readWeightIndex,
  weightsDigest,
  Weights,
  WEIGHTS_FILE,
  WEIGHTS_INDEX_FILE,
} from './weights.js';
export { DEFAULT_MAX_SHARD_BYTES, writeWeights, type WeightsOptions } from './weights-writer.js';
export { CONFIG_FILE, parseModelConfig, readModelConfig } from './model-config.js';
export type { Architecture, ModelConfig } from './model-config.js';
export { GENERATION_CONFIG_FILE, readGenerationConfig, type GenerationConfig } from './generation-config.js';
export type { RopeConfig } from './rope-config.js';
export type { JsonObject, JsonValue } from './json-text.js';
export {
  checkTensors,
  EMBEDDING,
  expectedTensors,
  LM_HEAD,
  type CheckedTensors,
} from './expected-tensors.js';
export { COMPANION_FILES, writeModelDirectory, type ModelDirectoryContent } from './model-directory.js';

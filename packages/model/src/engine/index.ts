export * from './engine.js';
export * from './fused-adamw.js';
export * from './fused-kernels.js';
export * from './tensor-slot.js';
export * from './memory-room.js';
export * from './open-engine.js';
export { installTensorflowEngine, type InstallOptions } from './tensorflow/install.js';
export {
  TENSORFLOW_VERSION,
  engineFolder,
  installedEngine,
  type InstalledEngine,
} from './tensorflow/engine-folder.js';
export { tensorflowProblem } from './tensorflow/tensorflow-engine.js';
export { webgpuProblem } from './webgpu/webgpu-engine.js';
export * from './engine-info.js';

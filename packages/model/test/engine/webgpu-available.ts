import { webgpuProblem } from '../../src/engine/index.js';

const required = (process.env['SELECTIVE_DPO_REQUIRE'] ?? '').split(',').includes('webgpu');

/**
 * Whether tests of the WebGPU engine are skipped: Dawn or a driver is missing. They run on a software driver, too; it
 * compiles shaders for seconds, hence the time they are given.
 */
export const webgpuSkipped: boolean = !required && (await webgpuProblem()) !== undefined;

export const WEBGPU_TIMEOUT_MS = 300_000;

/** SwiGLU and its gradient for the WebGPU backend: a thread an element. See causal-lm/decoder-layer.ts for the plain version. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { KernelCall, WebgpuBackend } from './gpu-types.js';
import { runShader } from './shader.js';

/** σ(x) without an e^x that leaves float32, where WGSL promises nothing. */
const SIGMOID = `
  fn sigmoidOf(x : f32) -> f32 {
    let e = exp(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
  }`;

const SWIGLU = `${SIGMOID}
  fn main(index : i32) {
    if (index >= uniforms.size) { return; }
    let first = index / uniforms.width * 2 * uniforms.width + index % uniforms.width;
    let gate = gateUp[first];
    result[index] = gate * sigmoidOf(gate) * gateUp[first + uniforms.width];
  }`;

/** silu′ = σ + silu·(1 − σ) */
const GRADIENT = `${SIGMOID}
  fn main(index : i32) {
    if (index >= uniforms.size) { return; }
    let both = 2 * uniforms.width;
    let row = index / both;
    let column = index % both;
    let isGate = column < uniforms.width;
    let place = select(column - uniforms.width, column, isGate);
    let gate = gateUp[row * both + place];
    let up = gateUp[row * both + place + uniforms.width];
    let sigma = sigmoidOf(gate);
    let silu = gate * sigma;
    let slope = up * (sigma + silu * (1.0 - sigma));
    result[index] = dActivated[row * uniforms.width + place] * select(silu, slope, isGate);
  }`;

/** gateUp: [N, 2F], gate first → [N, F]. */
export function swiglu({ inputs, backend }: KernelCall): TensorInfo {
  return activated(backend, inputs['gateUp']!);
}

/** gateUp: [N, 2F], dActivated: [N, F] → dGateUp: [N, 2F], and the forward value once more, [N, F]. */
export function swigluGradient({ inputs, backend }: KernelCall): TensorInfo[] {
  const [gateUp, dActivated] = [inputs['gateUp']!, inputs['dActivated']!];
  const dGateUp = runShader(backend, {
    name: 'SwigluGradient',
    inputs: { gateUp, dActivated },
    output: gateUp.shape,
    ints: { width: dActivated.shape[1]! },
    source: GRADIENT,
  });
  return [dGateUp, activated(backend, gateUp)];
}

function activated(backend: WebgpuBackend, gateUp: TensorInfo): TensorInfo {
  const [rows, both] = gateUp.shape as [number, number];
  const width = both / 2;
  return runShader(backend, {
    name: 'Swiglu',
    inputs: { gateUp },
    output: [rows, width],
    ints: { width },
    source: SWIGLU,
  });
}

/** The fused RMSNorm and SwiGLU of engine/fused-kernels.ts on the WebAssembly heap. */
import { addressOf, sizeOf, type ListKernel } from './heap.js';
import { kernelModule } from './kernel-module.js';

export const rmsNormKernel: ListKernel = ({ inputs, backend, attrs }) => {
  const [x, weight] = [inputs['x']!, inputs['weight']!];
  const y = backend.makeOutput(x.shape, 'float32');
  const [rows, width] = [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!];
  const [xAt, weightAt, yAt] = [addressOf(backend, x), addressOf(backend, weight), addressOf(backend, y)];
  kernelModule(backend).kernels.rmsNorm(rows, width, xAt, weightAt, attrs['epsilon'] as number, yAt);
  return [y];
};

export const rmsNormGradientKernel: ListKernel = ({ inputs, backend, attrs }) => {
  const [x, weight, dy] = [inputs['x']!, inputs['weight']!, inputs['dy']!];
  const dx = backend.makeOutput(x.shape, 'float32');
  const dWeight = backend.makeOutput(weight.shape, 'float32');
  const [rows, width] = [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!];
  const module = kernelModule(backend);
  const scratch = module.scratch(8 * width);
  const [xAt, weightAt, dyAt] = [x, weight, dy].map((info) => addressOf(backend, info)) as Three;
  const [dxAt, dWeightAt] = [addressOf(backend, dx), addressOf(backend, dWeight)];
  const epsilon = attrs['epsilon'] as number;
  module.kernels.rmsNormGradient(rows, width, xAt, weightAt, epsilon, dyAt, dxAt, dWeightAt, scratch);
  return [dx, dWeight];
};

export const swigluKernel: ListKernel = ({ inputs, backend }) => {
  const [gateUp] = [inputs['gateUp']!];
  const [rows, width] = [gateUp.shape[0]!, gateUp.shape[1]! / 2];
  const y = backend.makeOutput([rows, width], 'float32');
  kernelModule(backend).kernels.swiglu(rows, width, addressOf(backend, gateUp), addressOf(backend, y));
  return [y];
};

export const swigluGradientKernel: ListKernel = ({ inputs, backend }) => {
  const [gateUp, dActivated] = [inputs['gateUp']!, inputs['dActivated']!];
  const [rows, width] = dActivated.shape as [number, number];
  const dGateUp = backend.makeOutput(gateUp.shape, 'float32');
  const y = backend.makeOutput(dActivated.shape, 'float32');
  const [gateUpAt, dAt] = [addressOf(backend, gateUp), addressOf(backend, dActivated)];
  const [dGateUpAt, yAt] = [addressOf(backend, dGateUp), addressOf(backend, y)];
  kernelModule(backend).kernels.swigluGradient(rows, width, gateUpAt, dAt, dGateUpAt, yAt);
  return [dGateUp, y];
};

type Three = [number, number, number];

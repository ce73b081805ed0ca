/** OneHot for the WebAssembly backend, whose own writes integers whatever type is asked for. */
import type { Kernel } from './heap.js';

/** Wraps tfjs's OneHot, which is right for int32: indices [...] → [..., depth]. An index out of range gives a row of `offValue`. */
export function oneHotKernel(stock: Kernel): Kernel {
  return (call) => {
    const { inputs, backend, attrs } = call;
    const { dtype, depth, onValue, offValue } = attrs as unknown as {
      dtype: 'float32' | 'int32' | 'bool';
      depth: number;
      onValue: number;
      offValue: number;
    };
    if (dtype === 'int32') return stock(call);
    const indices = inputs['indices']!;
    const out = backend.makeOutput([...indices.shape, depth], dtype);
    const ids = backend.typedArrayFromHeap(indices);
    const values = backend.typedArrayFromHeap(out).fill(offValue);
    ids.forEach((id, row) => {
      if (id >= 0 && id < depth) values[row * depth + id] = onValue;
    });
    return out;
  };
}

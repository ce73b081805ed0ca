/** Rows written in place on the WebAssembly heap. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { RowWriter } from '../row-writes.js';
import { floatView } from './heap.js';

/** @throws RangeError for a place outside x. */
export function wasmRowWriter(backend: BackendWasm): RowWriter {
  return (x, places, rows) => {
    const [count, width] = x.shape;
    const to = floatView(backend, x);
    const from = floatView(backend, rows);
    backend.typedArrayFromHeap(places).forEach((place, i) => {
      if (place < 0 || place >= count) throw new RangeError(`a write to row ${place} of ${count}`);
      to.set(from.subarray(i * width, (i + 1) * width), place * width);
    });
    return x;
  };
}

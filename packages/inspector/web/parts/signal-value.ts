/** The value of a signal; the component draws itself anew when it changes. */
import { effect, type ReadonlySignal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';

export function useSignalValue<T>(signal: ReadonlySignal<T>): T {
  const [value, setValue] = useState(signal.value);
  useEffect(() => effect(() => setValue(() => signal.value)), [signal]);
  return value;
}

/** What a limit on a process's memory leaves for tensors. */
import { formatByteSize } from '@selective-dpo/foundation';
import type { Engine } from './engine.js';

/** The part of an {@link Engine} that decides. */
export type EngineMemory = Pick<Engine, 'processBytes' | 'memoryLimitBytes'>;

export interface MemoryRoom {
  /** Bytes for all tensors together; may be below 0. */
  bytes: number;
  /** The engine's own bound in words, where it is the narrower one. */
  engineBound: string | undefined;
  /** What to do about that bound. */
  hint: string;
}

/** Room for tensors in a process that may take `limit` bytes. */
export function memoryRoom(
  limit: number,
  { processBytes, memoryLimitBytes = Infinity }: EngineMemory,
): MemoryRoom {
  const bytes = limit - processBytes;
  if (bytes <= memoryLimitBytes) return { bytes, engineBound: undefined, hint: 'allow more' };
  return {
    bytes: memoryLimitBytes,
    engineBound: `${formatByteSize(memoryLimitBytes)} for all tensors, the engine's own limit`,
    hint: 'use another engine, e.g. tensorflow',
  };
}

/** Writes a model's weights as transformers lays them out: one file, or shards of limited size with an index. */
import { join } from 'node:path';
import { InputError, publishBytes } from '@selective-dpo/foundation';
import { bytesPerElement, tensorBytes, writeSafetensors } from './safetensors-writer.js';
import type { TensorSource, WritableDtype } from './safetensors-writer.js';
import { WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from './weights.js';

/** transformers' own default of many years, bytes. */
export const DEFAULT_MAX_SHARD_BYTES = 5_000_000_000;

/** Options of {@link writeWeights}. */
export interface WeightsOptions {
  /** What to store (default F32). */
  dtype?: WritableDtype;
  /** A shard holds at most so many bytes of tensors, unless one tensor alone is larger (default 5·10⁹). */
  maxShardBytes?: number;
}

/**
 * Writes `model.safetensors`, or `model-00001-of-0000N.safetensors` … and `model.safetensors.index.json` when the
 * tensors exceed `maxShardBytes`. Tensors go to shards in the order given.
 * @returns names of the files written, in `directory`.
 * @throws InputError as `writeSafetensors`; `tensor-name` also for a name repeated over shards; RangeError for a
 *   `maxShardBytes` that is not positive.
 */
export async function writeWeights(
  directory: string,
  tensors: Iterable<TensorSource> | AsyncIterable<TensorSource>,
  { dtype = 'F32', maxShardBytes = DEFAULT_MAX_SHARD_BYTES }: WeightsOptions = {},
): Promise<string[]> {
  if (!(maxShardBytes > 0)) throw new RangeError(`maxShardBytes must be positive, not ${maxShardBytes}`);
  const all: TensorSource[] = [];
  for await (const tensor of tensors) all.push(tensor);
  const shards = planShards(all, dtype, maxShardBytes, directory);
  if (shards.length <= 1) {
    await writeSafetensors(join(directory, WEIGHTS_FILE), all, dtype);
    return [WEIGHTS_FILE];
  }
  const names = shards.map((_, i) => shardName(i, shards.length));
  const weightMap = mapTensors(shards, names, directory);
  for (const [i, shard] of shards.entries()) {
    await writeSafetensors(join(directory, names[i]!), shard, dtype);
  }
  const totalSize = all.reduce((sum, { name, shape }) => sum + tensorBytes(name, shape, dtype, directory), 0);
  const index = {
    metadata: { total_parameters: totalSize / bytesPerElement(dtype), total_size: totalSize },
    weight_map: Object.fromEntries(weightMap),
  };
  await publishBytes(join(directory, WEIGHTS_INDEX_FILE), `${JSON.stringify(index, null, 2)}\n`);
  return [...names, WEIGHTS_INDEX_FILE];
}

/** `model-00001-of-00003.safetensors` for index 0 of 3. */
function shardName(index: number, count: number): string {
  const five = (n: number): string => String(n).padStart(5, '0');
  return `model-${five(index + 1)}-of-${five(count)}.safetensors`;
}

/** Fills one shard after another; a tensor larger than the limit has one to itself. */
function planShards(
  tensors: readonly TensorSource[],
  dtype: WritableDtype,
  maxShardBytes: number,
  directory: string,
): TensorSource[][] {
  const shards: TensorSource[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor.name, tensor.shape, dtype, directory);
    if (shards.length === 0 || bytes > room) {
      shards.push([]);
      room = maxShardBytes;
    }
    shards.at(-1)!.push(tensor);
    room -= bytes;
  }
  return shards;
}

/** [tensor name, file name], sorted by tensor name. */
function mapTensors(shards: TensorSource[][], names: string[], directory: string): [string, string][] {
  const map = new Map<string, string>();
  shards.forEach((shard, i) => {
    for (const { name } of shard) {
      if (map.has(name)) {
        throw new InputError('tensor-name', 'a tensor name is used twice', { file: directory, field: name });
      }
      map.set(name, names[i]!);
    }
  });
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

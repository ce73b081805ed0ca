/**
 * The Arrow files of a cache's shards: read through for their digests when they are first asked for, and some of them open at one
 * time. In a shuffled order the rows of a large cache lie in ever other shards, so to come back to one must cost little.
 */
import { join } from 'node:path';
import { openRegularFile, resolveInside } from '@selective-dpo/foundation';
import type { ArrowBlock } from './arrow-metadata.js';
import { ArrowShard, type ShardLayout } from './arrow-shard.js';
import { MANIFEST_FILE, checkedPath, refuseOtherDigest, type CacheManifest } from './manifest.js';

/** Files that are open at one time; the common limit of a process is 1,024. */
const SHARDS_OPEN = 256;

/** What a shard's file was when its digest was found right, and where its record batches are. */
interface KnownShard {
  identity: string;
  blocks: readonly ArrowBlock[];
}

/** Memory: some 2 KB a shard of 512 rows that was asked for, or 4 bytes a row, for where its record batches are. */
export class OpenShards {
  /** In the order in which they were last asked for. */
  private readonly open = new Map<number, Promise<ArrowShard>>();
  private readonly known = new Map<number, KnownShard>();

  constructor(
    private readonly directory: string,
    private readonly manifest: CacheManifest,
  ) {}

  /** Shard `index` of the manifest. @throws InputError `cache-damaged`, `cache-without-token-logps`. */
  get(index: number): Promise<ArrowShard> {
    const held = this.open.get(index);
    const shard = held ?? this.openShard(index);
    this.open.delete(index);
    this.open.set(index, shard);
    if (held === undefined) {
      shard.catch(() => {
        if (this.open.get(index) === shard) this.open.delete(index);
      });
      if (this.open.size > SHARDS_OPEN) this.letGo(this.open.keys().next().value!);
    }
    return shard;
  }

  /** Looks at the file of a shard, as {@link get} does, and closes it again. */
  async verify(index: number): Promise<void> {
    await (await this.openShard(index)).close();
  }

  async close(): Promise<void> {
    const open = [...this.open.values()];
    this.open.clear();
    for (const shard of open) await (await shard.catch(() => undefined))?.close();
  }

  private letGo(index: number): void {
    const shard = this.open.get(index);
    this.open.delete(index);
    // Reads asked for before this finish first: they were chained to the same promise earlier, and close waits for them.
    void shard?.then((file) => file.close()).catch(() => undefined);
  }

  private async openShard(index: number): Promise<ArrowShard> {
    const again = await this.reopened(index);
    if (again !== undefined) return again;
    const { arrow } = this.manifest.shards[index]!;
    const path = await checkedPath(this.directory, arrow);
    const { handle, size, identity } = await openRegularFile(path);
    try {
      await refuseOtherDigest(handle, path, arrow);
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
    const shard = await ArrowShard.open(handle, size, path, this.layoutOf(index));
    this.known.set(index, { identity, blocks: shard.blocks });
    return shard;
  }

  /** The shard without reading it through, if its file is the very one that was found right, and was not written to since. */
  private async reopened(index: number): Promise<ArrowShard | undefined> {
    const known = this.known.get(index);
    if (known === undefined) return undefined;
    const { name } = this.manifest.shards[index]!.arrow;
    const path = resolveInside(this.directory, name, join(this.directory, MANIFEST_FILE));
    const opened = await openRegularFile(path).catch(() => undefined);
    if (opened?.identity === known.identity)
      return ArrowShard.again(opened.handle, path, this.layoutOf(index), known.blocks);
    this.known.delete(index);
    await opened?.handle.close().catch(() => undefined);
    return undefined;
  }

  private layoutOf(index: number): ShardLayout {
    const { inputs, recordBatchRows, shards } = this.manifest;
    return { rows: shards[index]!.rows, recordBatchRows, topLogprobs: inputs.topLogprobs };
  }
}

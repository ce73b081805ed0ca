/**
 * A DuckDB in memory that can read the files it was opened on and nothing else: no other file, no network, no extension, no change of
 * a setting. It spills to a folder of its own in the system's temporary folder, which goes when it is closed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Interrupted } from '@selective-dpo/foundation';
import type { DuckDBConnection, DuckDBInstance, DuckDBPreparedStatement } from '@duckdb/node-api';
import { literal, loadDuckDB } from './duckdb.js';

/** Bytes that may lie in the temporary folder. */
const MAX_SPILLED_BYTES = 16 * 2 ** 30;

const INTERRUPT_EVERY_MS = 100;

export interface LockedDatabaseOptions {
  /** Absolute paths that may be read. */
  files: readonly string[];
  /** Statements run before the lock: they make the views. */
  setup: readonly string[];
  /** Bytes that DuckDB may take. */
  memoryLimit: number;
  /** Interrupts the statement at work. */
  signal?: AbortSignal | undefined;
}

/** A temporary folder that goes with the process, too: a second Ctrl-C ends it without `close`. */
class SpillFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'sdpo-stats-'));
  private readonly removeAtExit = (): void => rmSync(this.path, { recursive: true, force: true });

  constructor() {
    process.once('exit', this.removeAtExit);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    process.off('exit', this.removeAtExit);
  }
}

export class LockedDatabase {
  private interrupts: ReturnType<typeof setInterval> | undefined;

  private constructor(
    private readonly instance: DuckDBInstance,
    private readonly connection: DuckDBConnection,
    private readonly folder: SpillFolder,
    private readonly signal: AbortSignal | undefined,
  ) {
    signal?.addEventListener('abort', this.interrupt);
  }

  /** @throws InputError `duckdb-missing`; DuckDB's own errors from `setup`. */
  static async open(options: LockedDatabaseOptions): Promise<LockedDatabase> {
    const { files, setup, memoryLimit, signal } = options;
    const { DuckDBInstance: Instance } = await loadDuckDB();
    const folder = new SpillFolder();
    let database: LockedDatabase | undefined;
    try {
      const instance = await Instance.create(':memory:', {
        autoinstall_known_extensions: 'false',
        autoload_known_extensions: 'false',
        allow_community_extensions: 'false',
        allow_persistent_secrets: 'false',
        memory_limit: `${memoryLimit}B`,
        temp_directory: folder.path,
        max_temp_directory_size: `${MAX_SPILLED_BYTES}B`,
      });
      database = new LockedDatabase(instance, await instance.connect(), folder, signal);
      for (const statement of setup) await database.rows(statement);
      // Files on this list stay readable, and DuckDB adds its temporary folder; everything else is closed with the next two.
      await database.rows(`SET allowed_paths = [${files.map(literal).join(', ')}]`);
      await database.rows('SET enable_external_access = false');
      await database.rows('SET lock_configuration = true');
      return database;
    } catch (error) {
      await (database?.close() ?? folder.remove());
      throw error;
    }
  }

  /** All rows of a statement of ours, objects by column. */
  async rows(statement: string): Promise<Record<string, unknown>[]> {
    return this.guarded(async () => (await this.connection.run(statement)).getRowObjectsJS());
  }

  /** A statement, not run yet. */
  async prepare(statement: string): Promise<DuckDBPreparedStatement> {
    return this.guarded(() => this.connection.prepare(statement));
  }

  /** Runs `body`, which asks DuckDB for something. @throws Interrupted when the signal stopped it. */
  async guarded<T>(body: () => Promise<T>): Promise<T> {
    this.refuseAborted();
    try {
      return await body();
    } catch (error) {
      this.refuseAborted();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.signal?.removeEventListener('abort', this.interrupt);
    clearInterval(this.interrupts);
    this.connection.closeSync();
    this.instance.closeSync();
    await this.folder.remove();
  }

  /** Again and again: what comes between two statements, or just before one, is forgotten by DuckDB. */
  private readonly interrupt = (): void => {
    this.connection.interrupt();
    this.interrupts ??= setInterval(() => this.connection.interrupt(), INTERRUPT_EVERY_MS);
  };

  private refuseAborted(): void {
    if (this.signal?.aborted === true) {
      throw new Interrupted('the question was stopped', 'run the same command again');
    }
  }
}

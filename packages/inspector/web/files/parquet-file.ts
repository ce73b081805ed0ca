/** Columns of a Parquet file of a site, read by ranges of bytes and checked against what the file says of itself. */
import {
  parquetMetadataAsync,
  parquetReadObjects,
  parquetScan,
  type AsyncBuffer,
  type FileMetaData,
} from 'hyparquet';
import type { SiteFiles } from './site-files.js';
import { SiteProblem } from './site-problem.js';

/** Last bytes of a file that are read first: most of them hold all metadata. */
const TAIL_BYTES = 64 << 10;
/** Bytes that a row group may unfold to. */
const MAX_GROUP_BYTES = 512 << 20;
/** Row groups read at the same time. */
const AT_ONCE = 6;

export type ParquetRow = Readonly<Record<string, unknown>>;

/** One file; its metadata is read once. */
export class ParquetFile {
  private constructor(
    private readonly path: string,
    private readonly file: AsyncBuffer,
    readonly metadata: FileMetaData,
  ) {}

  /** @throws SiteProblem for a file that is missing, no Parquet, or at odds with itself. */
  static async open(files: SiteFiles, path: string): Promise<ParquetFile> {
    const tail = await files.read(path, { last: TAIL_BYTES });
    const file = bufferOf(files, path, tail.total, tail.bytes);
    const metadata = await sound(path, () =>
      parquetMetadataAsync(file, { initialFetchSize: tail.bytes.length }),
    );
    checkMetadata(path, metadata, tail.total);
    return new ParquetFile(path, file, metadata);
  }

  /** Rows of the file. */
  get rows(): number {
    return Number(this.metadata.num_rows);
  }

  /** Names of the columns. */
  get columns(): readonly string[] {
    return (
      this.metadata.row_groups[0]?.columns.map(({ meta_data }) => meta_data?.path_in_schema[0] ?? '') ?? []
    );
  }

  /** Rows from `rowStart` up to `rowEnd`, as objects. @throws SiteProblem */
  async readRows(columns: readonly string[], rowStart: number, rowEnd: number): Promise<ParquetRow[]> {
    const rows = await sound(this.path, () =>
      parquetReadObjects({
        file: this.file,
        metadata: this.metadata,
        columns: [...columns],
        rowStart,
        rowEnd,
      }),
    );
    if (rows.length !== Math.min(rowEnd, this.rows) - rowStart) throw damaged(this.path, 'rows are missing');
    return rows as ParquetRow[];
  }

  /** Hands out one column after the other, a row group at a time, in no set order. @throws SiteProblem */
  async eachGroup(
    columns: readonly string[],
    take: (column: string, values: ArrayLike<unknown>, rowStart: number) => void,
  ): Promise<void> {
    const { row_groups: groups } = this.metadata;
    const starts = groups.reduce<number[]>(
      (all, group) => [...all, all.at(-1)! + Number(group.num_rows)],
      [0],
    );
    let next = 0;
    const work = async () => {
      while (next < groups.length) {
        const group = next++;
        await this.readGroup(columns, group, [starts[group]!, starts[group + 1]!], take);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  private async readGroup(
    columns: readonly string[],
    group: number,
    [rowStart, rowEnd]: readonly [number, number],
    take: (column: string, values: ArrayLike<unknown>, rowStart: number) => void,
  ): Promise<void> {
    if (rowStart === rowEnd) return;
    const file = await this.prefetched(columns, group);
    const scan = await sound(this.path, () =>
      parquetScan({ file, metadata: this.metadata, columns: [...columns], useOffsetIndex: false }),
    );
    for (const column of columns) {
      const values = await sound(this.path, () => scan.readColumn({ column, rowStart, rowEnd }));
      if (values.length !== rowEnd - rowStart) throw damaged(this.path, `column ${column} is short`);
      take(column, values, rowStart);
    }
  }

  /** The file with one read done already: from the first to the last of these columns of a row group. */
  private async prefetched(columns: readonly string[], group: number): Promise<AsyncBuffer> {
    const places = this.metadata.row_groups[group]!.columns.flatMap(({ meta_data: column }) => {
      if (column === undefined || !columns.includes(column.path_in_schema[0]!)) return [];
      const start = Number(column.dictionary_page_offset ?? column.data_page_offset);
      return [{ start, end: start + Number(column.total_compressed_size) }];
    });
    const start = Math.min(...places.map((place) => place.start));
    const end = Math.max(...places.map((place) => place.end));
    const piece = await this.file.slice(start, end);
    return {
      byteLength: this.file.byteLength,
      slice: (from, to = this.file.byteLength) =>
        from >= start && to <= end ? piece.slice(from - start, to - start) : this.file.slice(from, to),
    };
  }
}

function bufferOf(files: SiteFiles, path: string, total: number, tail: Uint8Array): AsyncBuffer {
  const tailStart = total - tail.length;
  const read = async (start: number, end: number): Promise<ArrayBuffer> => {
    const bytes =
      start >= tailStart
        ? tail.slice(start - tailStart, end - tailStart)
        : (await files.read(path, { start, end })).bytes;
    if (bytes.length !== end - start) throw damaged(path, 'it is shorter than it says');
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  };
  return {
    byteLength: total,
    slice(start, end = total) {
      const piece = read(start, Math.min(end, total));
      // The decoder reads ahead; when it gives up before, nobody waits for this any more.
      piece.catch(() => undefined);
      return piece;
    },
  };
}

/** Lengths and places that a file states must fit into it. */
function checkMetadata(path: string, { num_rows, row_groups }: FileMetaData, total: number): void {
  const rows = row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  if (rows !== Number(num_rows) || rows < 0) throw damaged(path, 'its counts of rows differ');
  for (const { columns } of row_groups) {
    let unfolded = 0;
    for (const { meta_data: column } of columns) {
      if (column === undefined) throw damaged(path, 'a column has no metadata');
      const start = Number(column.dictionary_page_offset ?? column.data_page_offset);
      const size = Number(column.total_compressed_size);
      unfolded += Number(column.total_uncompressed_size);
      if (start < 0 || size < 0 || start + size > total)
        throw damaged(path, 'a column lies outside the file');
      // Snappy needs 3 bytes for 64 at the least; room is left for headers.
      if (Number(column.total_uncompressed_size) > 1024 + 64 * size && column.codec === 'SNAPPY')
        throw damaged(path, 'a column claims more than its bytes can hold');
    }
    if (unfolded > MAX_GROUP_BYTES) throw damaged(path, 'a group of rows is too large');
  }
}

function damaged(path: string, what: string): SiteProblem {
  return new SiteProblem(
    `${path} is damaged: ${what}`,
    'Check the cache with sdpo cache verify, then make the site again.',
  );
}

/** Gives what a decoder throws on damaged bytes the name of the file. */
async function sound<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SiteProblem) throw error;
    throw damaged(path, error instanceof Error ? error.message : String(error));
  }
}

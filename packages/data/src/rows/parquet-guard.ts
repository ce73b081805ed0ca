/**
 * Stands between a Parquet file and hyparquet, which believes what it reads: a run of 2³¹ levels in five bytes, a count below
 * nothing, a page that unpacks to gigabytes. Headers are read before it begins; pages are looked at when it has them unpacked.
 */
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import {
  parquetSchema,
  type AsyncBuffer,
  type ColumnMetaData,
  type Compressors,
  type FileMetaData,
  type SchemaTree,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { maxRows } from './columnar-protocol.js';
import { PageCheck } from './parquet-page.js';
import { readPageHeader, type ParquetPageHeader } from './parquet-page-header.js';
import { UnpackingBudget, maxUnpackedBytes, zstdBound } from './unpacking.js';

type Unpack = (packed: Uint8Array, length: number) => Uint8Array;

/** What hyparquet is given for one row group. */
export interface GuardedGroup {
  /** A copy in which every column of the row group has a codec of its own. */
  metadata: FileMetaData;
  /** Those codecs. */
  compressors: Compressors;
  /** To be called when all was read. @throws Error for a column that has not a value, or a list, for every row. */
  finish(): void;
}

export class ParquetGuard {
  private readonly budget: UnpackingBudget;
  private readonly schema: SchemaTree;

  constructor(
    private readonly file: AsyncBuffer,
    private readonly metadata: FileMetaData,
  ) {
    this.budget = new UnpackingBudget(maxUnpackedBytes(file.byteLength));
    this.schema = parquetSchema(metadata);
  }

  /**
   * @param columns names of top-level columns.
   * @throws Error saying what is wrong with a header; what is given back throws for what is wrong with a page.
   */
  async group(index: number, columns: readonly string[]): Promise<GuardedGroup> {
    this.budget.renew();
    const group = this.metadata.row_groups[index]!;
    const own: Compressors = {};
    const checks: PageCheck[] = [];
    const rows = Number(group.num_rows);
    const guarded: typeof group.columns = [];
    for (const [i, column] of group.columns.entries()) {
      const meta = column.meta_data;
      if (meta === undefined || !columns.includes(meta.path_in_schema[0] ?? '') || group.num_rows === 0n) {
        guarded.push(column);
        continue;
      }
      const codec = `column ${i}` as keyof Compressors;
      const { unpack, check } = await this.column(meta, rows);
      own[codec] = unpack;
      checks.push(check);
      guarded.push({ ...column, meta_data: { ...meta, codec } });
    }
    const groups = this.metadata.row_groups.map((one, i) =>
      i === index ? { ...one, columns: guarded } : one,
    );
    return {
      ...{ metadata: { ...this.metadata, row_groups: groups }, compressors: own },
      finish() {
        const short = checks.find((check) => check.rows !== rows);
        if (short !== undefined) throw new Error(`a column of ${short.rows} rows in a group of ${rows}`);
      },
    };
  }

  /** @returns what unpacks the pages of a column, in their order. */
  private async column(meta: ColumnMetaData, rows: number): Promise<{ unpack: Unpack; check: PageCheck }> {
    const path = [this.schema];
    for (const name of meta.path_in_schema) {
      const child = path.at(-1)!.children.find(({ element }) => element.name === name);
      if (child === undefined) throw new Error(`no column ${meta.path_in_schema.join('.')} in the schema`);
      path.push(child);
    }
    const { element, children } = path.at(-1)!;
    if (children.length > 0 || element.type !== meta.type) {
      throw new Error(`a column of type ${meta.type}, in the schema ${element.type ?? 'a group'}`);
    }
    const below = path.slice(1).map((one) => one.element.repetition_type);
    const check = new PageCheck(
      {
        ...{ type: meta.type, typeLength: element.type_length ?? 0 },
        maxRepetition: below.filter((type) => type === 'REPEATED').length,
        maxDefinition: below.filter((type) => type !== 'REQUIRED').length,
      },
      this.budget,
    );
    const flat = path.length === 2 && below[0] !== 'REPEATED';
    const headers = await this.headers(meta, flat ? rows : Infinity, check);
    return { unpack: this.unpacking(headers, meta.codec, check), check };
  }

  /** The headers of the pages that hyparquet will read: of a flat column up to its last row. */
  private async headers(meta: ColumnMetaData, rows: number, check: PageCheck): Promise<ParquetPageHeader[]> {
    const begin = Number(meta.dictionary_page_offset || meta.data_page_offset);
    const bytes = new DataView(await this.file.slice(begin, begin + Number(meta.total_compressed_size)));
    const headers: ParquetPageHeader[] = [];
    let values = 0;
    for (let at = 0; at < bytes.byteLength - 1 && values < rows;) {
      const { header, packedBytes, end } = readPageHeader(bytes, at);
      at = end + packedBytes;
      if (at > bytes.byteLength)
        throw new Error(`a page of ${packedBytes} bytes beyond the end of its column`);
      if (header === undefined) throw new Error('a page of an index among the data');
      if (header.kind === 'dictionary') check.expectDictionary(header.values);
      else values += header.values;
      if (values > maxRows(this.file.byteLength)) throw new Error(`${values} values in a column`);
      headers.push(header);
      // Its levels are never packed, and read before what is packed is unpacked.
      if (header.kind === 'data-v2') {
        const page = new DataView(bytes.buffer, bytes.byteOffset + end, packedBytes);
        check.checkLevels(header, page);
        if (!header.packed)
          check.checkValues(page, levelBytes(header), header.values - header.nulls, header.encoding);
      }
    }
    if (values !== Number(meta.num_values))
      throw new Error(`${values} values in a column of ${meta.num_values}`);
    return headers;
  }

  private unpacking(headers: readonly ParquetPageHeader[], codec: string, check: PageCheck): Unpack {
    const packed = headers.filter(({ kind, packed: isPacked }) => kind !== 'data-v2' || isPacked);
    let next = 0;
    return (input, length) => {
      const header = packed[next++];
      if (header === undefined) throw new Error('more pages than there are');
      const levels = levelBytes(header);
      if (input.length !== header.packedBytes - levels || length !== header.unpackedBytes - levels) {
        throw new Error('a page of another size than its header');
      }
      const page = this.unpack(codec, input, length);
      const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
      if (header.kind === 'data-v2')
        check.checkValues(view, 0, header.values - header.nulls, header.encoding);
      else check.checkWhole(header, view);
      return page;
    };
  }

  /** @throws Error unless it has exactly `length` bytes. */
  private unpack(codec: string, packed: Uint8Array, length: number): Uint8Array {
    if (codec === 'UNCOMPRESSED') {
      if (packed.length !== length) throw new Error(`${packed.length} bytes for ${length}`);
      return packed;
    }
    this.budget.take(codec === 'ZSTD' ? Math.max(length, zstdBound(packed)) : length);
    const limit = { maxOutputLength: Math.max(1, length) };
    const unpack = compressors[codec as keyof Compressors];
    const page =
      codec === 'GZIP'
        ? gunzipSync(packed, limit)
        : codec === 'BROTLI'
          ? brotliDecompressSync(packed, limit)
          : unpack?.(packed, length);
    if (page === undefined) throw new Error(`packed by ${codec}`);
    if (page.length !== length) throw new Error(`${page.length} unpacked bytes for ${length}`);
    return page;
  }
}

function levelBytes({ repetitionBytes, definitionBytes }: ParquetPageHeader): number {
  return repetitionBytes + definitionBytes;
}

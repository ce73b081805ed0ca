/** A Parquet file written row by row; memory holds one row group. */
import parquet from 'parquetjs-lite';

/** Rows in a row group. */
const ROW_GROUP_ROWS = 1024;

/** A column. */
export interface ParquetColumn {
  type: 'UTF8' | 'INT32' | 'FLOAT' | 'DOUBLE';
  /** A list of values a row. */
  repeated?: boolean;
  /** A row may leave it out. */
  optional?: boolean;
  compression?: 'UNCOMPRESSED' | 'GZIP' | 'SNAPPY';
}

type Writer = Awaited<ReturnType<typeof parquet.ParquetWriter.openStream>>;

export class ParquetTable {
  private constructor(
    private readonly writer: Writer,
    private readonly pieces: Uint8Array[],
    private readonly emit: (bytes: Uint8Array) => Promise<void> | void,
  ) {}

  /**
   * @param columns names and types, in order.
   * @param emit takes the bytes of the file in order. The library does not wait for its last writes and so loses their errors:
   *   the bytes are gathered here, and `emit` is awaited after every row.
   */
  static async open(
    columns: Readonly<Record<string, ParquetColumn>>,
    emit: (bytes: Uint8Array) => Promise<void> | void,
  ): Promise<ParquetTable> {
    const pieces: Uint8Array[] = [];
    const sink = {
      write(bytes: Uint8Array, done: () => void) {
        pieces.push(bytes);
        done();
      },
      end(done: () => void) {
        done();
      },
    };
    const writer = await parquet.ParquetWriter.openStream(new parquet.ParquetSchema({ ...columns }), sink, {
      rowGroupSize: ROW_GROUP_ROWS,
    });
    return new ParquetTable(writer, pieces, emit);
  }

  /** Adds a row: a value a column, a plain array for a repeated one. @throws what `emit` throws. */
  async append(row: Record<string, unknown>): Promise<void> {
    await this.writer.appendRow(row);
    await this.drain();
  }

  /** Writes what is held and the end of the file. @throws what `emit` throws. */
  async close(): Promise<void> {
    await this.writer.close();
    await this.drain();
  }

  private async drain(): Promise<void> {
    for (const piece of this.pieces.splice(0)) await this.emit(piece);
  }
}

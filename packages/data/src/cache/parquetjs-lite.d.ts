/** The part of parquetjs-lite that the cache uses; the package carries no types. */
declare module 'parquetjs-lite' {
  interface FieldDefinition {
    type: 'UTF8' | 'INT32' | 'FLOAT' | 'DOUBLE';
    repeated?: boolean;
    optional?: boolean;
    compression?: 'UNCOMPRESSED' | 'GZIP' | 'SNAPPY';
  }
  /** Where the bytes go, in order; `done` is called when they were taken. */
  interface ByteSink {
    write(bytes: Uint8Array, done: (error?: Error) => void): void;
    end(done: (error?: Error) => void): void;
  }
  /** Opaque: made by its constructor, handed to a writer. */
  type ParquetSchema = object;
  interface ParquetWriter {
    appendRow(row: Record<string, unknown>): Promise<void>;
    close(): Promise<void>;
  }
  const parquet: {
    ParquetSchema: new (fields: Record<string, FieldDefinition>) => ParquetSchema;
    ParquetWriter: {
      openStream(
        schema: ParquetSchema,
        sink: ByteSink,
        options?: { rowGroupSize?: number; pageSize?: number },
      ): Promise<ParquetWriter>;
    };
  };
  export default parquet;
}

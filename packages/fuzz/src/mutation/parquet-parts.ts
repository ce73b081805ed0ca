/**
 * A Parquet file taken apart: its footer and the pages of its columns, to be changed and put together again with offsets
 * that fit. Source: parquet-format (parquet.thrift, "File Format"). Reads only files that are right.
 */
import {
  field,
  integerField,
  readStruct,
  setInteger,
  structs,
  writeStruct,
  type ThriftStruct,
} from './thrift-compact.js';

export interface ParquetPage {
  header: ThriftStruct;
  /** As in the file, packed or not. */
  payload: Buffer;
}

export interface ParquetChunk {
  /** ColumnMetaData. */
  metadata: ThriftStruct;
  pages: ParquetPage[];
}

export interface ParquetParts {
  /** FileMetaData. Offsets and sizes of chunks in it are set when the file is put together. */
  footer: ThriftStruct;
  /** Of all row groups, in order. */
  chunks: ParquetChunk[];
}

const MAGIC = Buffer.from('PAR1');
/** Numbers of fields, as parquet.thrift has them. */
const [ROW_GROUPS, COLUMNS, META_DATA] = [4, 1, 3];
const [TOTAL_COMPRESSED, DATA_PAGE_OFFSET, DICTIONARY_PAGE_OFFSET] = [7, 9, 11];
const [UNCOMPRESSED_PAGE_SIZE, COMPRESSED_PAGE_SIZE] = [2, 3];
const [DICTIONARY_PAGE_HEADER] = [7];

export function takeApart(file: Buffer): ParquetParts {
  const footerBytes = file.readUInt32LE(file.length - 8);
  const { struct: footer } = readStruct(file, file.length - 8 - footerBytes);
  const chunks = structs(footer, ROW_GROUPS).flatMap((group) =>
    structs(group, COLUMNS).map((column) => chunkOf(file, field(column, META_DATA) as ThriftStruct)),
  );
  return { footer, chunks };
}

/**
 * The file of these parts; the footer is given the places and lengths of the chunks.
 * @param change may spoil the footer after that.
 */
export function putTogether(
  { footer, chunks }: ParquetParts,
  change: (footer: ThriftStruct) => void = () => undefined,
): Buffer {
  const pieces: Buffer[] = [MAGIC];
  let at = MAGIC.length;
  for (const { metadata, pages } of chunks) {
    const begin = at;
    const places = { dictionary: -1, data: -1 };
    for (const page of pages) {
      const kind = isData(page) ? 'data' : 'dictionary';
      if (places[kind] < 0) places[kind] = at;
      const head = writeStruct(page.header);
      pieces.push(head, page.payload);
      at += head.length + page.payload.length;
    }
    if (places.data >= 0) setInteger(metadata, DATA_PAGE_OFFSET, BigInt(places.data));
    const named = metadata.fields.some(([id]) => id === DICTIONARY_PAGE_OFFSET);
    if (places.dictionary >= 0 && named)
      setInteger(metadata, DICTIONARY_PAGE_OFFSET, BigInt(places.dictionary));
    setInteger(metadata, TOTAL_COMPRESSED, BigInt(at - begin));
  }
  change(footer);
  const end = writeStruct(footer);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(end.length);
  return Buffer.concat([...pieces, end, length, MAGIC]);
}

/** Another payload for a page, with sizes that fit. */
export function setPayload(page: ParquetPage, payload: Buffer, unpackedBytes = payload.length): void {
  page.payload = payload;
  setInteger(page.header, UNCOMPRESSED_PAGE_SIZE, BigInt(unpackedBytes), 5);
  setInteger(page.header, COMPRESSED_PAGE_SIZE, BigInt(payload.length), 5);
}

function isData({ header }: ParquetPage): boolean {
  return !header.fields.some(([id]) => id === DICTIONARY_PAGE_HEADER);
}

function chunkOf(file: Buffer, metadata: ThriftStruct): ParquetChunk {
  const dictionary = metadata.fields.find(([id]) => id === DICTIONARY_PAGE_OFFSET)?.[1] as
    { integer: bigint } | undefined;
  let at = Number((dictionary ?? integerField(metadata, DATA_PAGE_OFFSET)).integer);
  const end = at + Number(integerField(metadata, TOTAL_COMPRESSED).integer);
  const pages: ParquetPage[] = [];
  while (at < end) {
    const { struct: header, end: begin } = readStruct(file, at);
    at = begin + Number(integerField(header, COMPRESSED_PAGE_SIZE).integer);
    pages.push({ header, payload: Buffer.from(file.subarray(begin, at)) });
  }
  return { metadata, pages };
}

/** Damage to Parquet files that knows where their numbers are: footer, page headers, levels, compressed pages. */
import { gzipSync } from 'node:zlib';
import type { SeededRandom } from '@selective-dpo/foundation';
import { gzipBomb, snappyBomb, zstdBomb } from './bombs.js';
import { changeBytes } from './byte-mutations.js';
import { pick, type Mutation } from './mutation.js';
import {
  putTogether,
  setPayload,
  takeApart,
  type ParquetChunk,
  type ParquetPage,
  type ParquetParts,
} from './parquet-parts.js';
import {
  I32,
  setInteger,
  type ThriftInteger,
  type ThriftList,
  type ThriftStruct,
  type ThriftValue,
} from './thrift-compact.js';

const EXTREMES: readonly bigint[] = [
  -(2n ** 63n),
  -(2n ** 31n),
  -100n,
  -1n,
  0n,
  1n,
  2n,
  7n,
  63n,
  1000n,
  1_000_000n,
  2n ** 31n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
];

/** Every value inside a struct, itself included. */
function valuesIn(value: ThriftValue): ThriftValue[] {
  if ('fields' in value) return [value, ...value.fields.flatMap(([, inner]) => valuesIn(inner))];
  if ('items' in value) return [value, ...value.items.flatMap(valuesIn)];
  return [value];
}

function spoilStruct(root: ThriftStruct, random: SeededRandom): void {
  const all = valuesIn(root);
  const integers = all.filter((value): value is ThriftInteger => 'integer' in value);
  const lists = all.filter((value): value is ThriftList => 'items' in value);
  const within = all.filter((value): value is ThriftStruct => 'fields' in value && value.fields.length > 0);
  const kind = random.below(10);
  if (kind < 6 && integers.length > 0) {
    const one = pick(integers, random);
    one.integer =
      random.below(3) === 0 ? one.integer + BigInt(pick([-1, 1, 8, -8], random)) : pick(EXTREMES, random);
  } else if (kind < 8 && lists.length > 0) {
    const one = pick(lists, random);
    const how = random.below(4);
    if (how === 0) one.items.splice(random.below(one.items.length + 1), 1);
    else if (how === 1 && one.items.length > 0) one.items.push(pick(one.items, random));
    else if (how === 2) one.count = Number(pick([-1n, 1_000_000n, 2n ** 31n - 1n], random));
    else one.itemType = random.below(16);
  } else {
    const { fields } = pick(within, random);
    const at = random.below(fields.length);
    const how = random.below(3);
    if (how === 0) fields.splice(at, 1);
    else if (how === 1) fields[at]![1] = structuredClone(pick(all, random));
    else fields[at]![0] = random.below(20);
  }
}

/** Applies a change to the parts of a file; bytes that cannot be taken apart stay as they are. */
function onParts(change: (parts: ParquetParts, random: SeededRandom) => Buffer | undefined): Mutation {
  return (input, random) => {
    let parts: ParquetParts;
    try {
      parts = takeApart(input);
    } catch {
      return input;
    }
    return change(parts, random) ?? input;
  };
}

/** The same with a page of it; a file without pages stays as it is. */
function onPage(change: (parts: ParquetParts, place: Place, random: SeededRandom) => void): Mutation {
  return onParts((parts, random) => {
    const place = placeIn(parts, random);
    if (place === undefined) return undefined;
    change(parts, place, random);
    return putTogether(parts);
  });
}

interface Place {
  chunk: ParquetChunk;
  page: ParquetPage;
}

function placeIn({ chunks }: ParquetParts, random: SeededRandom): Place | undefined {
  const places = chunks.flatMap((chunk) => chunk.pages.map((page) => ({ chunk, page })));
  return places.length === 0 ? undefined : pick(places, random);
}

/** Lengths, counts, types and offsets of the footer. */
export const spoilFooter = onParts((parts, random) =>
  putTogether(parts, (footer) => spoilStruct(footer, random)),
);

/** Sizes, counts and encodings of a page. */
export const spoilPageHeader = onPage((_, { page }, random) => spoilStruct(page.header, random));

/** Runs of very many levels or indices, and of none. */
const RUNS = ['ffffffff0f', 'feffffff0f', 'ffffffff07', '00', '01', '0000000000', '8080808080808080'];

/** Levels, dictionary indices and lengths: the first bytes of an unpacked page, or any. */
export const spoilPage = onPage((_, { page }, random) => {
  const { payload } = page;
  const head = Math.min(24, payload.length);
  if (random.below(2) === 0 && head > 4)
    Buffer.from(pick(RUNS, random), 'hex').copy(payload, random.below(head));
  else setPayload(page, changeBytes(payload, random, [payload]));
});

/** Pages go, double or change places, also with those of other columns. */
export const movePages = onPage((parts, a, random) => {
  const b = placeIn(parts, random)!;
  const kind = random.below(3);
  if (kind === 0) a.chunk.pages = a.chunk.pages.filter((page) => page !== a.page);
  else if (kind === 1) a.chunk.pages = [...a.chunk.pages, structuredClone(b.page)];
  else [a.chunk.pages, b.chunk.pages] = [b.chunk.pages, a.chunk.pages];
});

/** Numbers of the codecs in parquet.thrift. */
const CODEC = { SNAPPY: 1n, GZIP: 2n, ZSTD: 6n };

/** A page of a few bytes that unpacks to hundreds of megabytes, with or without saying so. */
export const plantBomb = onPage((_, { chunk, page }, random) => {
  const unpacked = pick([1 << 20, 1 << 26, 1 << 28], random);
  const [codec, bomb] = pick(
    [
      [CODEC.SNAPPY, () => snappyBomb(Math.min(unpacked, 1 << 26))],
      [CODEC.GZIP, () => gzipBomb(unpacked)],
      [CODEC.ZSTD, () => zstdBomb(unpacked)],
      [CODEC.GZIP, () => gzipSync(page.payload)],
    ] as const,
    random,
  );
  const stated = pick([page.payload.length, unpacked, 2 ** 31 - 1, -1], random);
  setInteger(chunk.metadata, 4, codec, I32 as 5);
  setPayload(page, bomb(), stated);
});

export const PARQUET_MUTATIONS: readonly Mutation[] = [
  spoilFooter,
  spoilFooter,
  spoilPageHeader,
  spoilPageHeader,
  spoilPage,
  spoilPage,
  movePages,
  plantBomb,
];

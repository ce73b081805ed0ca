/** Preference files of text: JSON Lines and JSON arrays, gzipped or not. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openPreferenceSource } from '@selective-dpo/data';
import { InputError } from '@selective-dpo/foundation';
import { changeBytes } from '../mutation/byte-mutations.js';
import { changeJson } from '../mutation/json-mutations.js';
import type { Mutation } from '../mutation/mutation.js';
import { insertOddText, moveLines, onOneLine, replaceNumber } from '../mutation/text-mutations.js';
import type { FuzzTarget, PreparedTarget } from '../run/target.js';
import { pollution } from './json-oracle.js';
import { wrongRow } from './preference-oracle.js';

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

const ROWS: readonly object[] = [
  { prompt: 'Where is it?', chosen: ' Here.', rejected: ' There.', score: 1.5 },
  { chosen: 'Question: a? Answer: é🙂', rejected: 'Question: a? Answer: no' },
  { prompt: [user('Hi')], chosen: [assistant('Hello!')], rejected: [assistant('Go.')] },
  {
    chosen: [user('Count.'), assistant('1 2 3'), user('More.'), assistant('4')],
    rejected: [user('Count.'), assistant('1 2 3'), user('More.'), assistant('5')],
    meta: { source: { id: 7, tags: ['x', null, true, -1.5e-3] } },
  },
  { prompt: 'Same?', chosen: [user('Same?'), assistant('yes')], rejected: [user('Same?'), assistant('no')] },
  { prompt: null, chosen: 'a', rejected: 'b' },
  { prompt: 'x', chosen: 1, rejected: 'b' },
];

const lines = ROWS.map((row) => JSON.stringify(row)).join('\n');
const SEEDS: readonly Buffer[] = [
  Buffer.from(`${lines}\n`),
  Buffer.from(`\ufeff${lines.replaceAll('\n', '\r\n\r\n')}`),
  Buffer.from(JSON.stringify(ROWS, null, 1)),
  Buffer.from(JSON.stringify(ROWS)),
  gzipSync(`${lines}\n`),
];

/** Deepest nesting of a row, as the reader states it. */
const DEEPEST = 256;

/** A line as JSON.parse reads it, or the code of the error that it must give. */
function plainLine(bytes: Buffer): { value: unknown } | { code: string } | undefined {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { code: 'not-utf8' };
  }
  if (text.trim() === '') return undefined;
  try {
    const value = JSON.parse(text.trim()) as unknown;
    return deepest(text) > DEEPEST ? { code: 'json-broken' } : { value };
  } catch {
    return { code: 'json-broken' };
  }
}

/** Brackets open at one time, those in strings not counted. */
function deepest(text: string): number {
  let [depth, most] = [0, 0];
  for (const [sign] of text.matchAll(/"(?:\\.|[^"\\])*"|[[\]{}]/gs)) {
    if (sign === '[' || sign === '{') most = Math.max(most, ++depth);
    else if (sign === ']' || sign === '}') depth--;
  }
  return most;
}

interface Reading {
  rows: unknown[];
  error?: InputError;
}

function wrongLines(bytes: Buffer, { rows, error }: Reading): string | undefined {
  let row = 0;
  let line = 0;
  const start = bytes.subarray(0, 3).toString('hex') === 'efbbbf' ? 3 : 0;
  for (let at = start; at <= bytes.length; line++) {
    const end = bytes.indexOf(10, at) < 0 ? bytes.length : bytes.indexOf(10, at);
    const plain = plainLine(bytes.subarray(at, end));
    at = end + 1;
    if (plain === undefined) continue;
    if ('code' in plain) {
      if (error?.details.line !== line + 1) return `line ${line + 1} is ${plain.code}, found ${place(error)}`;
      return row === rows.length ? undefined : `${rows.length} rows before line ${line + 1}`;
    }
    if (row >= rows.length) return `row ${row} of line ${line + 1} is missing: ${place(error)}`;
    const wrong = wrongRow(plain.value, rows[row], row);
    if (wrong !== undefined) return `row ${row}: ${wrong}`;
    row++;
  }
  if (error !== undefined && row > 0) return `an error without a cause: ${place(error)}`;
  return row === rows.length ? undefined : `${rows.length} rows for ${row}`;
}

function place(error: InputError | undefined): string {
  return error === undefined ? 'no error' : `${error.code} at line ${error.details.line}`;
}

function wrongArray(bytes: Buffer, { rows, error }: Reading): string | undefined {
  let plain: unknown;
  try {
    plain = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return error === undefined ? 'rows of what is no JSON' : undefined;
  }
  if (deepest(bytes.toString('utf8')) > DEEPEST) return undefined;
  const values = plain as unknown[];
  if (error !== undefined && !(values.length === 0)) return `${place(error)} for what is JSON`;
  if (rows.length !== values.length) return `${rows.length} rows for ${values.length}`;
  for (const [row, value] of values.entries()) {
    const wrong = wrongRow(value, rows[row], row);
    if (wrong !== undefined) return `row ${row}: ${wrong}`;
  }
  return undefined;
}

function unpacked(input: Buffer): Buffer | undefined {
  if (input[0] !== 0x1f || input[1] !== 0x8b) return input;
  try {
    return gunzipSync(input);
  } catch {
    return undefined;
  }
}

async function readAll(path: string): Promise<Reading> {
  const rows: unknown[] = [];
  try {
    for await (const row of (await openPreferenceSource(path, { layout: 'preference' })).rows())
      rows.push(row);
    return { rows };
  } catch (error) {
    if (error instanceof InputError) return { rows, error };
    throw error;
  }
}

async function prepare(folder: string): Promise<PreparedTarget> {
  const path = join(folder, 'rows.data');
  return Promise.resolve({
    seeds: SEEDS,
    async check(input) {
      await writeFile(path, input);
      const reading = await readAll(path);
      const bytes = unpacked(input);
      const first = bytes === undefined ? '' : (/^\ufeff?\s*([[{])/.exec(bytes.toString('utf8'))?.[1] ?? '');
      if (bytes !== undefined && first !== '') {
        const wrong = first === '{' ? wrongLines(bytes, reading) : wrongArray(bytes, reading);
        if (wrong !== undefined) return wrong;
      }
      if (reading.error !== undefined) throw reading.error;
      return pollution();
    },
  });
}

/** On what is inside, packed again, where an input is gzipped. */
const inside = (mutation: Mutation): Mutation => {
  return (input, random, pool) => {
    const bytes = unpacked(input);
    return bytes === undefined || bytes === input
      ? mutation(input, random, pool)
      : gzipSync(mutation(bytes, random, pool), { level: 1 });
  };
};

export const rowsTarget: FuzzTarget = {
  ...{ name: 'rows', what: 'preference files: JSON Lines, JSON, gzip', memoryMiB: 384 },
  mutations: [
    ...Array(4).fill(inside(onOneLine(changeJson))),
    ...[changeJson, moveLines, replaceNumber, insertOddText].map(inside),
    changeBytes,
  ],
  prepare,
};

/**
 * YAML of a configuration, from a file or a word: a flat mapping of a few keys. Text that is far from that is refused
 * before it is parsed, because the parser's time and stack grow with nesting and with the square of keys.
 */
import { InputError, quoteValue, readRegularFile } from '@selective-dpo/foundation';
import { LineCounter, isAlias, isMap, isNode, isScalar, parseDocument, type Document, type Pair } from 'yaml';

/** One setting as it was written. */
export interface Entry {
  key: string;
  value: unknown;
  /** Where it was written, for messages. */
  file: string;
  line?: number;
}

const MAX_BYTES = 64 << 10;
const MAX_KEYS = 200;
/** Opening brackets and list marks in one text, wherever they stand: each may open a level. */
const MAX_OPENINGS = 200;
const OPENINGS = /[[{]|(?:^|[ \t])[-?](?=[ \t\r\n]|$)/gm;

/** A word's value as YAML reads it; text that is not YAML, or not of our kind, stays text. */
export function scalarOf(text: string): unknown {
  if (text.length > MAX_BYTES || hasManyOpenings(text)) return text;
  const document = documentOf(text, new LineCounter());
  if (document.errors.length > 0) return text;
  // Of nothing, or of a comment alone.
  if (document.contents === null) return text;
  const plain = plainValue(document.contents, document, text);
  return plain === undefined ? text : plain;
}

/**
 * The settings of a file. Of a file that is not YAML the first problem is added to `problems`, and it has no settings.
 * @throws InputError `file-too-large` above 64 KiB, `file-not-found`, `not-a-file`, …
 */
export async function entriesOfFile(file: string, problems: InputError[]): Promise<Entry[]> {
  const text = (await readRegularFile(file, MAX_BYTES)).toString('utf8');
  const refuse = (message: string, details: object = {}): Entry[] => {
    problems.push(new InputError('config-yaml', message, { file, ...details }));
    return [];
  };
  const expected = 'lines of the form key: value';
  if (hasManyOpenings(text)) return refuse('nested deeper than a configuration is', { expected });
  const lines = new LineCounter();
  const lineAt = (offset: number | undefined) =>
    offset === undefined ? {} : { line: lines.linePos(offset).line };
  const document = documentOf(text, lines);
  const [error] = document.errors;
  if (error !== undefined) {
    const found = error.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, '');
    return refuse('is not a YAML file of settings', { ...lineAt(error.pos[0]), found, expected });
  }
  const { contents } = document;
  if (contents === null) return [];
  if (!isMap(contents)) return refuse('not a mapping', { expected });
  if (contents.items.length > MAX_KEYS) {
    return refuse('more keys than a configuration has', {
      found: `${contents.items.length} keys`,
      expected: `at most ${MAX_KEYS}`,
    });
  }
  const seen = new Set<string>();
  const entries: Entry[] = [];
  for (const { key, value } of contents.items as Pair[]) {
    const name = String(plainValue(key, document, text));
    const place = lineAt(isScalar(key) ? key.range?.[0] : undefined);
    if (seen.has(name)) return refuse('keys must be unique', { ...place, found: quoteValue(name) });
    seen.add(name);
    const plain = plainValue(value, document, text);
    if (plain === undefined) return refuse('an alias of nothing that stands before it', place);
    entries.push({ key: name, value: plain, file, ...place });
  }
  return entries;
}

/**
 * A scalar's value, also through an alias; undefined for an alias of nothing. A list or a mapping, which is never a
 * setting's value, stays the text it is written as: to expand it may take time that doubles with each level.
 */
function plainValue(node: unknown, document: Document.Parsed, text: string): unknown {
  if (!isNode(node)) return null;
  const target = isAlias(node) ? node.resolve(document) : node;
  if (target === undefined) return undefined;
  // A key with nothing behind it: YAML's null, but not what anybody wrote.
  if (isScalar(target)) return target.value === null && target.source === '' ? '' : target.value;
  return text.slice(target.range?.[0], target.range?.[1]);
}

/** Warnings, which the parser would print, are for none of our values. Keys are compared by us. */
function documentOf(text: string, lineCounter: LineCounter): Document.Parsed {
  return parseDocument(text, { lineCounter, uniqueKeys: false, logLevel: 'error' });
}

function hasManyOpenings(text: string): boolean {
  return (text.match(OPENINGS)?.length ?? 0) > MAX_OPENINGS;
}

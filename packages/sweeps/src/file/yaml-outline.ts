/**
 * YAML of a sweep file: mappings and lists a few levels deep, every value with its line. Text that is nested deeper is
 * refused before it is parsed, because the parser's time and stack grow with nesting.
 */
import { InputError, InputErrors, quoteValue, type ProblemDetails } from '@selective-dpo/foundation';
import { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseDocument, type Document } from 'yaml';

/** A value of a setting. */
export type Scalar = string | number | boolean;

/** A key of a mapping with the node behind it. */
export interface OutlinePair {
  name: string;
  line: number;
  node: unknown;
}

/** A sweep file has at most a list of mappings behind a key. */
const MAX_LEVELS = 8;
/** Problems of one file that are reported; more tell nothing new. */
const MAX_PROBLEMS = 100;

/** Reads a document piece by piece. What is wrong is noted in `problems`, never thrown. */
export class YamlOutline {
  private constructor(
    readonly file: string,
    private readonly document: Document.Parsed,
    private readonly lines: LineCounter,
    private readonly problems: InputError[],
  ) {}

  /**
   * @param problems where what is wrong with the content goes.
   * @throws InputErrors for text that is not YAML or is nested too deep.
   */
  static parse(file: string, text: string, problems: InputError[]): YamlOutline {
    if (isNestedDeep(text)) {
      throw new InputError('sweep-yaml', 'nested deeper than a sweep file is', {
        ...{ file, expected: `at most ${MAX_LEVELS} levels` },
      });
    }
    const lines = new LineCounter();
    const document = parseDocument(text, {
      // Keys are compared here, in time that grows with their number only; so does the time without errors made pretty.
      ...{ lineCounter: lines, uniqueKeys: false, prettyErrors: false, logLevel: 'error' },
    });
    if (document.errors.length > 0) {
      throw new InputErrors(
        document.errors
          .slice(0, MAX_PROBLEMS)
          .map(
            ({ message, pos }) =>
              new InputError('sweep-yaml', message, { file, line: lines.linePos(pos[0]).line }),
          ),
      );
    }
    return new YamlOutline(file, document, lines, problems);
  }

  get root(): unknown {
    return this.document.contents;
  }

  /** Notes a problem. */
  refuse(line: number, code: string, message: string, details: ProblemDetails = {}): void {
    if (this.problems.length < MAX_PROBLEMS) {
      this.problems.push(new InputError(code, message, { file: this.file, line, ...details }));
    }
  }

  isMapping(node: unknown): boolean {
    return isMap(this.target(node));
  }

  /** Whether nothing stands behind a key: no value, or an empty mapping. */
  isNothing(node: unknown): boolean {
    const target = this.target(node);
    if (isMap(target)) return target.items.length === 0;
    return target === null || (isScalar(target) && target.value === null);
  }

  /** The keys of a mapping that has some, each once. @param line of the key it stands behind. */
  pairs(node: unknown, line: number, field: string): OutlinePair[] {
    const target = this.target(node);
    if (!isMap(target)) {
      this.refuse(line, 'sweep-shape', 'not a mapping', { field, expected: 'lines of the form key: value' });
      return [];
    }
    if (target.items.length === 0) this.refuse(line, 'sweep-empty', 'nothing stands here', { field });
    const seen = new Map<string, number>();
    const pairs: OutlinePair[] = [];
    for (const { key, value } of target.items) {
      const at = this.lineOf(key, line);
      const name = this.nameOf(key, at, field);
      if (name === undefined) continue;
      const before = seen.get(name);
      if (before === undefined) pairs.push({ name, line: at, node: value });
      else {
        this.refuse(at, 'sweep-duplicate', 'the name stands here twice', {
          ...{ field, found: quoteValue(name) },
          hint: `line ${before} has it already`,
        });
      }
      seen.set(name, at);
    }
    return pairs;
  }

  /** The items of a list that has some. @param line of the key it stands behind. */
  items(node: unknown, line: number, field: string): { line: number; node: unknown }[] {
    const target = this.target(node);
    if (!isSeq(target)) {
      this.refuse(line, 'sweep-shape', 'not a list', { field, expected: 'a list, e.g. [0.2, 0.4]' });
      return [];
    }
    if (target.items.length === 0) this.refuse(line, 'sweep-empty', 'the list is empty', { field });
    return target.items.map((item) => ({ line: this.lineOf(item, line), node: item }));
  }

  /** A single value. */
  scalar(node: unknown, line: number, field: string): Scalar | undefined {
    const target = this.target(node);
    const value: unknown = isScalar(target) ? target.value : undefined;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
    this.refuse(line, 'sweep-shape', 'not a single value', {
      ...{ field, expected: 'a number, a text, true or false' },
    });
    return undefined;
  }

  private nameOf(key: unknown, line: number, field: string): string | undefined {
    const value: unknown = isScalar(key) ? key.value : undefined;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return String(value);
    }
    this.refuse(line, 'sweep-shape', 'not a name', { field });
    return undefined;
  }

  private target(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.document) : node;
  }

  private lineOf(node: unknown, otherwise: number): number {
    const offset = isNode(node) ? node.range?.[0] : undefined;
    return offset === undefined ? otherwise : this.lines.linePos(offset).line;
  }
}

/**
 * Whether brackets or indentation open more levels than a sweep file has. Brackets and marks inside texts and comments
 * count as well: such a text has to be rewritten, a parser that is out of its depth would be worse.
 */
function isNestedDeep(text: string): boolean {
  let brackets = 0;
  const indents: number[] = [];
  for (const line of text.split(/\r\n|\r|\n/)) {
    for (const [mark] of line.matchAll(/[[\]{}]/g)) {
      brackets = mark === '[' || mark === '{' ? brackets + 1 : Math.max(0, brackets - 1);
      if (brackets > MAX_LEVELS) return true;
    }
    const marks = /^[ \t]*((?:[-?:][ \t]+)*)/.exec(line)!;
    if (line.trim() === '') continue;
    const indent = marks[0].length - marks[1]!.length;
    while (indents.length > 0 && indents.at(-1)! >= indent) indents.pop();
    indents.push(indent);
    if (indents.length + (marks[1]!.match(/[-?:]/g)?.length ?? 0) > 2 * MAX_LEVELS) return true;
  }
  return false;
}

/**
 * Errors a user can act on. Each names what was being read, where in it, what was found, what was
 * expected and what to do; the command line prints one line per problem and no stack trace.
 */

/** Where a problem is and what would be right. All fields are optional; give every one that is known. */
export interface ProblemDetails {
  /** Path of the file or folder as the user wrote it. */
  file?: string;
  /** 1-based line of a text file. */
  line?: number;
  /** 0-based row of a table or of a preference file. */
  row?: number;
  /** Field, key or column. */
  field?: string;
  found?: string;
  expected?: string;
  /** What to do about it, as an imperative sentence without a full stop. */
  hint?: string;
}

/** Bad input or configuration: the user can mend it. The command line exits with code 2. */
export class InputError extends Error {
  override readonly name = 'InputError';
  /** Stable identifier in kebab case, for programs. */
  readonly code: string;
  readonly details: ProblemDetails;

  constructor(code: string, message: string, details: ProblemDetails = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** Several problems found in one pass, reported together. Exit code 2. */
export class InputErrors extends Error {
  override readonly name = 'InputErrors';
  readonly problems: readonly InputError[];

  constructor(problems: readonly InputError[]) {
    super(problems.map(describeProblem).join('\n'));
    this.problems = problems;
  }
}

/** The problems a failure tells of; undefined for what is no bad input. */
export function problemsOf(error: unknown): readonly InputError[] | undefined {
  if (error instanceof InputErrors) return error.problems;
  return error instanceof InputError ? [error] : undefined;
}

/** What all of some work gave. @throws InputErrors with the problems of all that failed; else the first failure. */
export async function allOrProblems<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const failures = (await Promise.allSettled(work)).flatMap((one) =>
    one.status === 'rejected' ? [one.reason as unknown] : [],
  );
  const problems = failures.flatMap((failure) => problemsOf(failure) ?? []);
  const defect = failures.find((failure) => problemsOf(failure) === undefined);
  if (defect === undefined && problems.length > 0) throw new InputErrors(problems);
  return Promise.all(work);
}

/** Long work was stopped on request; what was published stays. Exit code 130. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  /** The command or action that goes on from here. */
  readonly resume: string;

  constructor(message: string, resume: string) {
    super(message);
    this.resume = resume;
  }
}

/** Controls, also those of 8 bits that terminals obey, ends of lines, and marks that turn the direction of text. */
// eslint-disable-next-line no-control-regex
const UNSHOWN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const MAX_QUOTED = 200;
const MAX_PART = 1000;

/** One line for a person: place, message, found, expected, hint. Control characters are made visible. */
export function describeProblem(error: InputError): string {
  const { file, line, row, field, found, expected, hint } = error.details;
  const place = [
    file === undefined ? '' : line === undefined ? shortened(file) : `${shortened(file)}:${line}`,
    row === undefined ? '' : `row ${row}`,
    field === undefined ? '' : `field ${shortened(field)}`,
  ].filter((part) => part !== '');
  const parts = [
    error.message,
    found === undefined ? '' : `found ${found}`,
    expected === undefined ? '' : `expected ${expected}`,
    hint === undefined ? '' : hint,
  ].filter((part) => part !== '');
  return [...place, parts.map(shortened).join('; ')].map(onOneLine).join(': ');
}

/** Names out of files may be of any length; a line is for people. */
function shortened(text: string): string {
  return text.length > MAX_PART ? `${text.slice(0, MAX_PART)}…` : text;
}

function onOneLine(text: string): string {
  return text.replace(UNSHOWN, (c) =>
    c < ' ' ? JSON.stringify(c).slice(1, -1) : `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A value as it appears in a message: JSON, cut to 200 characters. */
export function quoteValue(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    // A cycle, a BigInt, or nesting too deep to walk.
    text = typeof value === 'object' ? 'an object' : String(value);
  }
  return text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
}

/**
 * Turns a failure of the operating system into an InputError that says what to do, and passes
 * everything else through unchanged.
 */
export function explainSystemError(error: unknown, file: string): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const known: Record<string, [string, string]> = {
    ENOENT: ['file-not-found', 'no such file or folder'],
    ENOSPC: ['disk-full', 'the disk is full; free some space and run the same command again'],
    EDQUOT: ['disk-full', 'the disk quota is used up; free some space and run the same command again'],
    EFBIG: ['file-limit', 'the file would be larger than a file may be here; raise the limit with ulimit -f'],
    EACCES: ['no-permission', 'no permission to use this file or folder'],
    EPERM: ['no-permission', 'not permitted'],
    EROFS: ['read-only', 'the file system is read-only'],
    EISDIR: ['is-a-folder', 'is a folder, a file was expected'],
    ENOTDIR: ['not-a-folder', 'is not a folder'],
    EEXIST: ['already-exists', 'something of that name is there already'],
    ELOOP: ['link-loop', 'too many links'],
    ENAMETOOLONG: ['name-too-long', 'the name is too long'],
    ESPIPE: ['not-a-file', 'is not a regular file'],
    ENXIO: ['not-a-file', 'is not a regular file'],
    EINVAL: ['not-a-file', 'cannot be used as a file'],
    EIO: ['read-failed', 'the disk reports a failure'],
    EADDRINUSE: ['address-in-use', 'another program listens there; choose another --port'],
    EADDRNOTAVAIL: ['address-not-available', 'is no address of this machine'],
    ENOTFOUND: ['address-not-available', 'is no address of this machine'],
    EBUSY: ['file-busy', 'is in use by the system'],
    EMFILE: ['too-many-files', 'too many open files; raise the limit with ulimit -n'],
  };
  const entry = code === undefined ? undefined : known[code];
  return entry === undefined ? error : new InputError(entry[0], entry[1], { file });
}

/** Checks of command-line values that collect every problem, so that a user mends all of them at once. */
import {
  InputError,
  InputErrors,
  MEMORY_LIMIT_EXPECTED,
  parseMemoryLimit,
  quoteValue,
} from '@selective-dpo/foundation';

/** Gathers the values of an option that may be given again. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** Reads options of one command; `finish` throws what was wrong with any of them. */
export class OptionReader {
  private readonly problems: InputError[] = [];
  private finished = false;

  constructor(private readonly values: Record<string, unknown>) {}

  /** A value that must be there. `flag` as the user writes it: `--out`. */
  required(name: string, flag: string, expected: string): string {
    const value = this.values[name];
    if (typeof value === 'string' && value !== '') return value;
    this.missing(flag, expected);
    return '';
  }

  /** The values of an option that may be given again; at least one. */
  list(name: string, flag: string, expected: string): string[] {
    const value = this.values[name];
    if (
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((one) => typeof one === 'string' && one !== '')
    ) {
      return value as string[];
    }
    this.missing(flag, expected);
    return [];
  }

  /** A name, a place or the like; an empty one is refused. @throws InputErrors for it where `finish` has been called. */
  text(name: string): string | undefined {
    const value = this.values[name];
    if (value === '') this.refuse(flagOf(name), "''", 'something between the quotes');
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  /** A text of which nothing is a possible value. */
  anyText(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === 'string' ? value : undefined;
  }

  flag(name: string): boolean {
    return this.values[name] === true;
  }

  /** A whole number of at least `least` and at most `most`. */
  whole(name: string, flag: string, least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : NaN;
    if (Number.isSafeInteger(number) && number >= least && number <= most) return number;
    const limits = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    this.refuse(flag, quoteValue(value), `a whole number ${limits}`);
    return undefined;
  }

  /** A number from `least` to `most`. */
  real(name: string, flag: string, least: number, most: number): number | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    const number =
      typeof value === 'string' && /^\d+(\.\d+)?(e-?\d{1,2})?$/i.test(value) ? Number(value) : NaN;
    if (number >= least && number <= most) return number;
    this.refuse(flag, quoteValue(value), `a number from ${least} to ${most}`);
    return undefined;
  }

  /** Bytes of a limit such as 16GiB; undefined where there is none. */
  memoryLimit(name: string, flag: string): number | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    const bytes = typeof value === 'string' ? parseMemoryLimit(value) : undefined;
    if (bytes !== undefined) return bytes === Infinity ? undefined : bytes;
    this.refuse(flag, quoteValue(value), MEMORY_LIMIT_EXPECTED);
    return undefined;
  }

  oneOf<Choice extends string>(name: string, flag: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    if ((choices as readonly unknown[]).includes(value)) return value as Choice;
    this.refuse(flag, quoteValue(value), `one of ${choices.join(', ')}`);
    return undefined;
  }

  /** {@link oneOf} for a value that must be there. */
  requiredOneOf<Choice extends string>(name: string, flag: string, choices: readonly Choice[]): Choice {
    if (this.values[name] === undefined) this.missing(flag, `one of ${choices.join(', ')}`);
    return this.oneOf(name, flag, choices) ?? choices[0]!;
  }

  /** Notes a value that is not allowed, once for an option. */
  refuse(flag: string, found: string, expected: string): void {
    if (this.problems.some(({ details }) => details.field === flag)) return;
    this.problems.push(
      new InputError('option-value', 'an option has a value that is not allowed', {
        field: flag,
        found,
        expected,
      }),
    );
    if (this.finished) this.finish();
  }

  private missing(flag: string, expected: string): void {
    this.problems.push(
      new InputError('option-missing', 'a required option is missing', {
        field: flag,
        expected,
        hint: `add ${flag}`,
      }),
    );
  }

  /** @throws InputErrors with every problem found. */
  finish(): void {
    this.finished = true;
    if (this.problems.length > 0) throw new InputErrors(this.problems);
  }
}

/** `chatTemplate` as the user writes it: `--chat-template`. */
function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Checks of command-line values that collect every problem, so that a user mends all of them at once. */
import {
  InputError,
  InputErrors,
  MEMORY_LIMIT_EXPECTED,
  parseMemoryLimit,
  quoteValue,
} from '@selective-dpo/foundation';

/** Reads options of one command; `finish` throws what was wrong with any of them. */
export class OptionReader {
  private readonly problems: InputError[] = [];

  constructor(private readonly values: Record<string, unknown>) {}

  /** A value that must be there. `flag` as the user writes it: `--out`. */
  required(name: string, flag: string, expected: string): string {
    const value = this.values[name];
    if (typeof value === 'string' && value !== '') return value;
    this.problems.push(
      new InputError('option-missing', 'a required option is missing', {
        field: flag,
        expected,
        hint: `add ${flag}`,
      }),
    );
    return '';
  }

  text(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === 'string' ? value : undefined;
  }

  flag(name: string): boolean {
    return this.values[name] === true;
  }

  /** A whole number of at least `least`. */
  whole(name: string, flag: string, least: number): number | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : NaN;
    if (Number.isSafeInteger(number) && number >= least) return number;
    this.problems.push(
      new InputError('option-value', 'an option has a value that is not allowed', {
        field: flag,
        found: quoteValue(value),
        expected: `a whole number of at least ${least}`,
      }),
    );
    return undefined;
  }

  /** Bytes of a limit such as 16GiB; undefined where there is none. */
  memoryLimit(name: string, flag: string): number | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    const bytes = typeof value === 'string' ? parseMemoryLimit(value) : undefined;
    if (bytes !== undefined) return bytes === Infinity ? undefined : bytes;
    this.problems.push(
      new InputError('option-value', 'an option has a value that is not allowed', {
        field: flag,
        found: quoteValue(value),
        expected: MEMORY_LIMIT_EXPECTED,
      }),
    );
    return undefined;
  }

  oneOf<Choice extends string>(name: string, flag: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    if ((choices as readonly unknown[]).includes(value)) return value as Choice;
    this.problems.push(
      new InputError('option-value', 'an option has a value that is not allowed', {
        field: flag,
        found: quoteValue(value),
        expected: `one of ${choices.join(', ')}`,
      }),
    );
    return undefined;
  }

  /** @throws InputErrors with every problem found. */
  finish(): void {
    if (this.problems.length > 0) throw new InputErrors(this.problems);
  }
}

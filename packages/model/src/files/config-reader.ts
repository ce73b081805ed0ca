/** Reads typed values out of a JSON object and collects what is wrong with them, so that all is reported at once. */
import { InputError, quoteValue, type ProblemDetails } from '@selective-dpo/foundation';
import type { JsonObject, JsonValue } from './json-text.js';

/** What to do about each kind of problem, where the caller says nothing more fitting. */
const HINTS: Record<string, string> = {
  'config-architecture': 'use a model of a supported architecture',
  'config-unsupported': 'use a model without this setting',
  'config-missing': 'fetch config.json again, it may be incomplete',
  'config-value': 'correct the key, or fetch the file again',
  'config-conflict': 'keep the setting that the model was trained with',
};

export class ConfigReader {
  /**
   * @param problems where problems are collected.
   * @param prefix of field names in messages, e.g. `rope_scaling.`.
   */
  constructor(
    private readonly object: JsonObject,
    private readonly file: string,
    readonly problems: InputError[] = [],
    private readonly prefix = '',
  ) {}

  /** A reader of an object inside this one; its problems are collected here. */
  within(key: string, object: JsonObject): ConfigReader {
    return new ConfigReader(object, this.file, this.problems, `${this.prefix}${key}.`);
  }

  /** The value of a key, undefined where it is absent or null. */
  value(key: string): JsonValue | undefined {
    return Object.hasOwn(this.object, key) ? (this.object[key] ?? undefined) : undefined;
  }

  /** Whether the key is there, be it null. */
  has(key: string): boolean {
    return Object.hasOwn(this.object, key);
  }

  /** Collects a problem with a key. */
  refuse(code: string, key: string, message: string, details: ProblemDetails): void {
    const hint = HINTS[code];
    this.problems.push(
      new InputError(code, message, {
        file: this.file,
        field: this.prefix + key,
        ...(hint === undefined ? {} : { hint }),
        ...details,
      }),
    );
  }

  /** Whether nothing was found wrong with these keys so far: checks that build on them make sense only then. */
  sound(...keys: string[]): boolean {
    return !this.problems.some(({ details }) => keys.some((key) => details.field === this.prefix + key));
  }

  /** A whole number in [min, max]; `fallback` where the key is absent or null, undefined if it has to be there. */
  integer(key: string, fallback: number | undefined, min: number, max: number): number {
    return this.checked(key, fallback, min, `a whole number from ${min} to ${max}`, (n) => {
      return Number.isInteger(n) && n >= min && n <= max;
    });
  }

  /** A finite number in [min, max]; `fallback` as for {@link integer}. */
  number(key: string, fallback: number | undefined, min: number, max: number): number {
    const low = min === Number.MIN_VALUE ? 'more than 0' : `from ${min}`;
    return this.checked(key, fallback, min, `a number ${low} to ${max}`, (n) => n >= min && n <= max);
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.value(key);
    if (value === undefined || typeof value === 'boolean') return value ?? fallback;
    this.refuse('config-value', key, 'the value is not allowed', {
      found: quoteValue(value),
      expected: 'true or false',
    });
    return fallback;
  }

  /** `stand` takes the place of a wrong value, so that reading goes on to the next problem. */
  private checked(
    key: string,
    fallback: number | undefined,
    stand: number,
    expected: string,
    allowed: (n: number) => boolean,
  ): number {
    const value = this.value(key);
    if (value === undefined && fallback !== undefined) return fallback;
    if (typeof value === 'number' && allowed(value)) return value;
    this.refuse(
      value === undefined ? 'config-missing' : 'config-value',
      key,
      value === undefined ? 'the key is missing' : 'the value is not allowed',
      { ...(value === undefined ? {} : { found: quoteValue(value) }), expected },
    );
    return fallback ?? stand;
  }
}

/** Markup for HTML and SVG in which every text is escaped unless it was made here. */

/** A piece of markup whose texts are escaped already. */
export class Markup {
  private constructor(readonly source: string) {}

  /** Takes a constant of this package as it is; never a text from outside. */
  static constant(source: string): Markup {
    return new Markup(source);
  }

  /** Pieces one after the other. */
  static join(pieces: readonly Markup[], between = ''): Markup {
    return new Markup(pieces.map(({ source }) => source).join(between));
  }
}

/** What may stand in a template; `undefined` and `false` leave nothing. */
export type MarkupValue = string | number | Markup | readonly Markup[] | undefined | false;

/** Template tag: the constant parts stay, every text and number among the values is escaped. */
export function markup(parts: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  const pieces = parts.map((part, index) => part + (index < values.length ? sourceOf(values[index]) : ''));
  return Markup.constant(pieces.join(''));
}

function sourceOf(value: MarkupValue): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Markup) return value.source;
  if (typeof value === 'string' || typeof value === 'number') return escapeText(String(value));
  return Markup.join(value).source;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/**
 * Characters that XML forbids or that are not seen but change what is: controls, zero widths, marks and overrides of direction,
 * line separators. Tab and line feed are harmless.
 */
const UNSEEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff]/g;

/** A text for element content or a quoted attribute: entities for markup, unseen characters as `\u202e`. */
function escapeText(text: string): string {
  return text
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(UNSEEN, (unseen) => `\\u${unseen.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replace(/[&<>"'`]/g, (character) => ENTITIES[character]!);
}

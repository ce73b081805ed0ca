/** Templates with `{name}` for a text and `{{`, `}}` for braces: Python's format strings, of which judge prompts use no more. */

const MARKS = /\{\{|\}\}|\{(\w*)\}/g;

/** Names in a template, in order. */
export function namesIn(template: string): string[] {
  return [...template.matchAll(MARKS)].flatMap(([, name]) => (name === undefined ? [] : [name]));
}

/**
 * Fills a template in one pass: what a text contains is never read as a mark.
 * @throws RangeError for a name without a text.
 */
export function fillTemplate(template: string, texts: Readonly<Record<string, string>>): string {
  return template.replace(MARKS, (mark: string, name: string | undefined) => {
    if (name === undefined) return mark[0]!;
    if (!Object.hasOwn(texts, name)) throw new RangeError(`nothing is given for {${name}}`);
    return texts[name]!;
  });
}

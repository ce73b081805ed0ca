/**
 * How much a value of a template is when it is written out. A list may hold the same list twice, and that again: sixty
 * lists of two take no memory, and their text would have 2⁶⁰ elements.
 */

/** A value of the Jinja library, as far as it is looked at. */
export interface TemplateValue {
  /** The name of its class: `ArrayValue`, `NamespaceValue`, … */
  type?: string;
  value: unknown;
}

/** Elements looked at for one value that cannot be remembered; more is a runaway by itself. */
const MOST_STEPS = 100_000;
/** Values inside one another: a namespace may hold itself. */
const MOST_LEVELS = 100;

export class TemplateWeights {
  /** Of lists and mappings without a namespace in them: these never change. */
  private readonly known = new WeakMap<TemplateValue, number>();
  private steps = 0;

  /** Characters of texts, and one for every value, however often it is met; Infinity for what takes too long to count. */
  of(value: TemplateValue): number {
    this.steps = 0;
    return this.weigh(value, 0).weight;
  }

  private weigh(value: TemplateValue, level: number): { weight: number; changes: boolean } {
    const held = value.value;
    if (typeof held === 'string') return { weight: held.length + 1, changes: false };
    if (!Array.isArray(held) && !(held instanceof Map)) return { weight: 1, changes: false };
    const known = this.known.get(value);
    if (known !== undefined) return { weight: known, changes: false };
    let weight = 1;
    let changes = value.type === 'NamespaceValue';
    for (const inner of held.values() as Iterable<TemplateValue>) {
      if (level === MOST_LEVELS || (changes && ++this.steps > MOST_STEPS))
        return { weight: Infinity, changes };
      const one = this.weigh(inner, level + 1);
      weight += one.weight;
      changes ||= one.changes;
    }
    if (!changes) this.known.set(value, weight);
    return { weight, changes };
  }
}

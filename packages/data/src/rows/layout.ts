/** The layouts of preference rows: which one a file has, and reading a row of it. */
import { InputError, quoteValue } from '@selective-dpo/foundation';
import { fieldLength } from './field-length.js';
import { MAX_TEXT_LENGTH, type DroppedRow, type PreferenceRow } from './preference-row.js';
import { readAlpacaLayout } from './layout-alpaca.js';
import { isDialogueText, readHhRlhfLayout } from './layout-hh-rlhf.js';
import { readPreferenceLayout } from './layout-preference.js';
import { readShareGptLayout } from './layout-sharegpt.js';
import { describeMissing, hasFields, isRecord, ownField, UnreadableRow } from './own-field.js';

export type PreferenceLayout = 'preference' | 'alpaca' | 'sharegpt' | 'hh-rlhf';

const READERS: Record<PreferenceLayout, (record: Record<string, unknown>, row: number) => PreferenceRow> = {
  preference: readPreferenceLayout,
  alpaca: readAlpacaLayout,
  sharegpt: readShareGptLayout,
  'hh-rlhf': readHhRlhfLayout,
};

export const PREFERENCE_LAYOUTS = Object.keys(READERS) as PreferenceLayout[];

/** Every field some layout reads: columnar files decode these columns only. */
export const LAYOUT_FIELDS: readonly string[] = [
  'prompt',
  'chosen',
  'rejected',
  'instruction',
  'input',
  'history',
  'system',
  'conversations',
];

const LAYOUT_SHAPES =
  'preference {prompt?, chosen, rejected}, alpaca {instruction, input?, chosen, rejected}, ' +
  'sharegpt {conversations, chosen, rejected}, hh-rlhf {chosen, rejected} with "\\n\\nHuman:" turns';

/**
 * Tells the layout from the first row.
 * @param fields all fields of the row, where `first` holds only some of them.
 * @throws InputError `layout-unknown`, naming the fields found.
 */
export function detectLayout(file: string, first: unknown, fields?: readonly string[]): PreferenceLayout {
  if (isRecord(first) && hasFields(first, 'chosen', 'rejected')) {
    if (hasFields(first, 'conversations')) return 'sharegpt';
    if (hasFields(first, 'prompt')) return 'preference';
    if (hasFields(first, 'instruction')) return 'alpaca';
    const both = [ownField(first, 'chosen'), ownField(first, 'rejected')];
    return both.every(isDialogueText) ? 'hh-rlhf' : 'preference';
  }
  const found = fields ?? (isRecord(first) ? Object.keys(first) : undefined);
  throw new InputError('layout-unknown', 'cannot tell which layout this preference file has', {
    file,
    row: 0,
    found: found === undefined ? quoteValue(first) : `fields ${found.slice(0, 40).join(', ')}`,
    expected: LAYOUT_SHAPES,
    hint: 'rename the fields, or name the layout if the first row is an exception',
  });
}

/** Reads one row; a row that cannot be used comes back as dropped, with the reason. */
export function readRow(layout: PreferenceLayout, value: unknown, row: number): PreferenceRow | DroppedRow {
  try {
    if (!isRecord(value)) throw new UnreadableRow(`the row ${describeMissing(value, 'an object')}`);
    for (const name of LAYOUT_FIELDS) {
      if (fieldLength(ownField(value, name), MAX_TEXT_LENGTH) <= MAX_TEXT_LENGTH) continue;
      const detail = `${name} has more than ${MAX_TEXT_LENGTH} characters`;
      return { row, reason: 'text-over-long', detail };
    }
    return READERS[layout](value, row);
  } catch (error) {
    if (error instanceof UnreadableRow) return { row, reason: 'unreadable', detail: error.message };
    throw error;
  }
}

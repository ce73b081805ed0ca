/** A preference file as a source of rows, whatever its kind and layout. */
import { InputError, sha256OfFile } from '@selective-dpo/foundation';
import { MAX_TEXT_LENGTH, type DroppedRow, type PreferenceRow } from './preference-row.js';
import { recogniseFile, type RecognisedFile } from './file-kind.js';
import { fileStateOf, refuseOtherState } from './file-state.js';
import { detectLayout, LAYOUT_FIELDS, PREFERENCE_LAYOUTS, readRow, type PreferenceLayout } from './layout.js';
import { rawRows } from './raw-rows.js';

export interface PreferenceSourceOptions {
  /** `auto` (the default) looks at the first row only. */
  layout?: 'auto' | PreferenceLayout | undefined;
  /** Read the first `limit` rows of the file only; rows that turn out unusable count. */
  limit?: number | undefined;
}

/** Everything about the source that decides its rows: part of a cache's key. */
export interface SourceFingerprint {
  /** Of the file as it lies on the disk, packed or not. */
  sha256: string;
  bytes: number;
  layout: PreferenceLayout;
  limit: number | null;
}

export interface PreferenceSource {
  readonly file: string;
  /** The layout that was given, or found. */
  readonly layout: PreferenceLayout;
  /** @throws InputError as {@link refuseChanged}, and the file system's. */
  fingerprint(): Promise<SourceFingerprint>;
  /**
   * To be called when all rows were used, before anything is published under the fingerprint.
   * @throws InputError `dataset-changed` if the file is not in the state it was opened in.
   */
  refuseChanged(): Promise<void>;
  /**
   * The rows in file order, from the start at every call. A row that is valid data but no preference comes as a
   * {@link DroppedRow}. Memory: one row of text, or one row group or record batch.
   * @throws InputError `json-broken`, `row-too-long`, `not-utf8`, `gzip-broken`, `parquet-unreadable`,
   *   `arrow-unreadable`, `dataset-changed`, or the file system's.
   */
  rows(): AsyncGenerator<PreferenceRow | DroppedRow>;
}

/**
 * Opens JSON Lines, a JSON array (either may be gzipped), Parquet, or an Arrow IPC file or stream.
 * @throws InputError `option-invalid`, `file-empty`, `file-kind-unknown`, `layout-unknown`, and those of `rows()`.
 */
export async function openPreferenceSource(
  file: string,
  options: PreferenceSourceOptions = {},
): Promise<PreferenceSource> {
  const { layout: asked = 'auto', limit } = options;
  checkOptions(asked, limit);
  const opened = await fileStateOf(file);
  const refuseChanged = (): Promise<void> => refuseOtherState(file, opened);
  const recognised = await recogniseFile(file);
  const layout = asked === 'auto' ? await layoutOfFirstRow(file, recognised) : asked;
  return {
    file,
    layout,
    async fingerprint() {
      const sha256 = await sha256OfFile(file);
      await refuseChanged();
      return { sha256, bytes: Number(opened.size), layout, limit: limit ?? null };
    },
    refuseChanged,
    async *rows() {
      await refuseChanged();
      let row = 0;
      for await (const { value } of rawRows(file, recognised, LAYOUT_FIELDS, MAX_TEXT_LENGTH)) {
        yield readRow(layout, value, row);
        row++;
        if (row === limit) break;
      }
      await refuseChanged();
    },
  };
}

/** The layout that the first row of a file has; undefined where none can be told. */
export async function layoutOfFile(file: string): Promise<PreferenceLayout | undefined> {
  try {
    return await layoutOfFirstRow(file, await recogniseFile(file));
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

function checkOptions(layout: string, limit: number | undefined): void {
  if (layout !== 'auto' && !(PREFERENCE_LAYOUTS as string[]).includes(layout)) {
    throw new InputError('option-invalid', 'there is no such layout', {
      field: 'layout',
      found: layout,
      expected: ['auto', ...PREFERENCE_LAYOUTS].join(', '),
    });
  }
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 1)) {
    throw new InputError('option-invalid', 'the limit of rows is not a positive whole number', {
      field: 'limit',
      found: String(limit),
    });
  }
}

async function layoutOfFirstRow(file: string, recognised: RecognisedFile): Promise<PreferenceLayout> {
  for await (const { value, fields } of rawRows(file, recognised, LAYOUT_FIELDS, MAX_TEXT_LENGTH))
    return detectLayout(file, value, fields);
  throw new InputError('file-empty', 'the file holds no row', { file, expected: 'preference rows' });
}

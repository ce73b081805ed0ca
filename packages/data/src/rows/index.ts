export * from './preference-row.js';
export * from './preference-source.js';
export { PREFERENCE_LAYOUTS, type PreferenceLayout } from './layout.js';
export { BUILT_IN_RENDERING, HUMAN_MARK, renderDialogue } from './dialogue-text.js';
export { jsonLines } from './json-lines.js';
export { MAX_ROW_BYTES, type RowText } from './text-pieces.js';
export { MAX_NESTING } from './json-array.js';
export { DECODE_DEADLINE_MS } from './columnar-rows.js';

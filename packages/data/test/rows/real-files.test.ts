import { describe, expect, it } from 'vitest';
import { openPreferenceSource } from '../../src/rows/preference-source.js';
import { isDroppedRow, type PreferenceRow } from '../../src/rows/preference-row.js';
import { collect } from './temporary-folder.js';
import { shared, sharedPath } from './shared-data.js';

describe.skipIf(!shared)('real preference files (skipped where the shared data is absent)', () => {
  it.each([
    ['rasbt/instruction-data-with-preference.json', 'alpaca', 1100],
    ['llama-factory/dpo_en_demo.json', 'sharegpt', 300],
    ['hh-rlhf/harmless-base-test.jsonl.gz', 'hh-rlhf', 2312],
  ])('%s: layout %s, %i rows, all usable', async (file, layout, count) => {
    const source = await openPreferenceSource(sharedPath(`preferences/${file}`));
    expect(source.layout).toBe(layout);
    const rows = await collect(source.rows());
    expect(rows).toHaveLength(count);
    expect(rows.filter(isDroppedRow)).toEqual([]);
  });

  it('hh-rlhf: 4 dialogues part before their last turn; their prompts are shared all the same', async () => {
    const source = await openPreferenceSource(sharedPath('preferences/hh-rlhf/harmless-base-test.jsonl.gz'));
    const rows = (await collect(source.rows())) as PreferenceRow[];
    const parted = rows.filter((row) => row.text!.chosen.includes('\n\nAssistant:'));
    expect(parted.map((row) => row.row)).toEqual([1254, 1688, 1952, 2036]);
    for (const { text } of rows) expect(text!.prompt.endsWith('\n\nAssistant:')).toBe(true);
  });
});

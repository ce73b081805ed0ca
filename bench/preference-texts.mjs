/** Rows of a preference file as texts, for programs that read JSON Lines of prompt, chosen, rejected. */
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { isDroppedRow, loadPairTokenizer, openPreferenceSource, tokenizePair } from '@selective-dpo/data';

/**
 * Writes the first `count` rows of `data` to `file` that give a pair with the tokenizer of `model` at `maxLength`.
 * @throws Error if there are fewer.
 */
export async function writePreferenceTexts({ data, model, maxLength, count }, file) {
  const source = await openPreferenceSource(data);
  const tokenizer = await loadPairTokenizer(model);
  const out = createWriteStream(file);
  let rows = 0;
  for await (const row of source.rows()) {
    const text = row?.text;
    if (text === undefined || isDroppedRow(tokenizePair({ row: row.row, text }, tokenizer, { maxLength })))
      continue;
    out.write(`${JSON.stringify({ prompt: text.prompt, chosen: text.chosen, rejected: text.rejected })}\n`);
    if (++rows === count) break;
  }
  out.end();
  await once(out, 'finish');
  if (rows < count) throw new Error(`${data} has ${rows} usable rows, ${count} are needed`);
}

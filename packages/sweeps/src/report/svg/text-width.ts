/** How wide a text will be about, without a font at hand. */

const NARROW = /[ijlI.,:;|!'()[\]{}/ −-]/;
const WIDE = /[mwMW%@—…\u2e80-\uffff]/;

/** Width in pixels of a text without serifs; errs upwards. @param size of the font in pixels. */
export function textWidth(text: string, size = 12): number {
  let ems = 0;
  for (const character of text) ems += NARROW.test(character) ? 0.36 : WIDE.test(character) ? 1 : 0.6;
  return ems * size;
}

/** Lines no wider than `width`, broken at spaces. */
export function wrapText(text: string, width: number, size = 12): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const joined = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && textWidth(joined, size) <= width) lines[lines.length - 1] = joined;
    else lines.push(word);
  }
  return lines;
}

/** JSON whose nesting is bounded: code that walks a value by recursion must not be brought down by it. */

/** Objects and arrays inside one another in the deepest file this project reads: tokenizers need about ten. */
export const MAX_JSON_DEPTH = 64;

/**
 * JSON.parse for text nobody has checked.
 * @throws SyntaxError for what is no JSON, or is nested deeper than `maxDepth`.
 */
export function parseShallowJson(text: string, maxDepth = MAX_JSON_DEPTH): unknown {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > maxDepth) throw new SyntaxError(`nested deeper than ${maxDepth} at position ${i}`);
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return JSON.parse(text) as unknown;
}

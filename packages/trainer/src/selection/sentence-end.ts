/** Where sentences end, for the rule `span` over sentences. */

/** Whether a token's text ends a sentence: with . ! ? or a line break, closing quotes and brackets behind it allowed. */
export function endsSentence(tokenText: string): boolean {
  return /[.!?。！？\n]["'”’)\]]*\s*$/u.test(tokenText);
}

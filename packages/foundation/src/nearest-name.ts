/** Which known name a misspelt one may mean. */

/** Names out of files may be of any length; distances are taken of so many characters. */
const MAX_LENGTH = 64;

/** Known names, the nearest first; case, `-` and `_` do not count. Equal distances keep the order given. */
export function byNearness<Name extends string>(name: string, known: readonly Name[]): Name[] {
  return ranked(name, known).map((one) => one.known);
}

/** The known name within two edits (three for long names), if there is one. */
export function nearestName<Name extends string>(name: string, known: readonly Name[]): Name | undefined {
  const best = name.length > MAX_LENGTH ? undefined : ranked(name, known)[0];
  return best !== undefined && best.edits <= (name.length > 8 ? 3 : 2) ? best.known : undefined;
}

function ranked<Name extends string>(name: string, known: readonly Name[]): { known: Name; edits: number }[] {
  const plain = (text: string) => text.slice(0, MAX_LENGTH).toLowerCase().replace(/[_-]/g, '');
  return known
    .map((one) => ({ known: one, edits: editDistance(plain(name), plain(one)) }))
    .sort((a, b) => a.edits - b.edits);
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

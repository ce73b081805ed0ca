/** Rows left out, by reason, for people. */
export function describeDropped(dropped: Partial<Record<string, number>>): string {
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`);
  return reasons.length === 0 ? 'none' : reasons.join(', ');
}

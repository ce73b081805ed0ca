/** Work on some items at one time. */

/**
 * Calls `work` for every item in order, at most `parallel` at one time, and waits for all of them. Once `signal` is set, no
 * further item is begun. A failure of `work` is thrown when the work begun before has ended.
 */
export async function inPool<Item>(
  items: readonly Item[],
  parallel: number,
  work: (item: Item) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    while (next < items.length && !signal.aborted && failures.length === 0) {
      try {
        await work(items[next++]!);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

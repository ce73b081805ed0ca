/** Numbers of things in messages. */

/** `1 pair`, `1,200 pairs`. @param one the word for one of them; its plural has an s. */
export function counted(count: number, one: string): string {
  return `${count.toLocaleString('en-US')} ${one}${count === 1 ? '' : 's'}`;
}

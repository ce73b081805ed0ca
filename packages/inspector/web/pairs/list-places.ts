/** Where in each list one was, for the way back. */

export interface ListPlace {
  /** Pixels scrolled. */
  scroll: number;
  /** The row that keys move. */
  active: number;
}

const MAX_PLACES = 50;
const places = new Map<string, ListPlace>();

/** The place in a list; its beginning where one was not there yet. @param list its address. */
export function placeIn(list: string): ListPlace {
  const place = places.get(list) ?? { scroll: 0, active: 0 };
  places.delete(list);
  places.set(list, place);
  if (places.size > MAX_PLACES) places.delete(places.keys().next().value!);
  return place;
}

/** The address of the list that was looked at last; undefined before the first. */
export function latestList(): string | undefined {
  return [...places.keys()].at(-1);
}

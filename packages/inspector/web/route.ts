/** Where in the page one is: the address behind `#`, so that any static host serves every view. */
import { signal } from '@preact/signals';

export const VIEWS = ['overview', 'pairs', 'pair', 'policy', 'run', 'sweep'] as const;
export type ViewName = (typeof VIEWS)[number];

export interface Route {
  view: ViewName;
  /** What the view shows: a pair's place. */
  subject: string;
  query: URLSearchParams;
}

/** `#/pair/12?tint=score`. @param first the view of an address without one. */
export function parseRoute(hash: string, first: ViewName): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view = '', subject = ''] = path.split('/');
  const known = (VIEWS as readonly string[]).includes(view);
  return {
    view: known ? (view as ViewName) : first,
    subject: known ? subject : '',
    query: new URLSearchParams(query),
  };
}

/** The address of a view. Entries that are undefined or empty are left out. */
export function hashOf(
  view: ViewName,
  subject: string | number = '',
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const entries = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const search = new URLSearchParams(entries.map(([key, value]) => [key, String(value)])).toString();
  return `#/${view}${subject === '' ? '' : `/${subject}`}${search === '' ? '' : `?${search}`}`;
}

/** The current address. */
export const hash = signal('');

/** Follows the address from now on. */
export function followHash(): void {
  const take = () => (hash.value = location.hash);
  addEventListener('hashchange', take);
  take();
}

/** Changes the address; `replace` leaves no step behind for the button "back". */
export function goTo(address: string, replace = false): void {
  if (address === location.hash) return;
  if (!replace) location.hash = address;
  else {
    history.replaceState(null, '', address);
    hash.value = address;
  }
}

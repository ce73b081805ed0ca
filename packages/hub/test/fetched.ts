/** Fetching from a hub on this machine into a cache of its own. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NoticeEvent, ProgressEvent } from '@selective-dpo/foundation';
import { fetchModel, parseModelName, type FetchOptions, type FetchedModel } from '../src/index.js';
import type { HubServer } from './hub-server.js';

export const POLICY = fileURLToPath(new URL('../../cli/demo/policy', import.meta.url));

export const freshFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'sdpo-hub-'));

export interface Fetching extends Partial<Omit<FetchOptions, 'settings'>> {
  name?: string;
  token?: string | undefined;
  offline?: boolean;
  idleMs?: number;
  events?: (ProgressEvent | NoticeEvent)[];
}

/** Fetches `org/tiny`; waits between attempts take no time. */
export function fetched(
  hub: Pick<HubServer, 'url'>,
  cacheFolder: string,
  how: Fetching = {},
): Promise<FetchedModel> {
  const { name = 'org/tiny', token, offline = false, idleMs = 5_000, events, ...options } = how;
  return fetchModel(parseModelName(name)!, name, {
    settings: { endpoint: new URL(hub.url), cacheFolder, offline, token, idleMs },
    part: 'model',
    random: () => 0,
    ...(events === undefined ? {} : { listener: (event) => void events.push(event) }),
    ...options,
  });
}

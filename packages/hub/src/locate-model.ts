/** Where a model lies that a user has named: a folder on this machine, or a name on the hub. */
import { kindOf } from '@selective-dpo/foundation';
import { fetchModel, type FetchOptions } from './fetch-model.js';
import { hubSettings } from './hub-settings.js';
import { parseModelName } from './model-name.js';

export interface LocatedModel {
  /** As it was given. */
  given: string;
  directory: string;
  /** Of a model on the hub. */
  origin?: ModelOrigin;
}

/** What a name on the hub stood for. */
export interface ModelOrigin {
  /** `org/name`. */
  repository: string;
  /** 40 hexadecimal digits. */
  commit: string;
}

export interface LocateOptions extends Omit<FetchOptions, 'settings'> {
  /** The folder that is meant before a name; the text itself unless told otherwise. */
  path?: string;
  /** As HF_HUB_OFFLINE. */
  offline?: boolean;
}

/**
 * Finds a model or a tokenizer. What is there on this machine is meant before the hub is asked, as in transformers; what can only be
 * a path is left to those who open it.
 * @throws InputError, Interrupted as {@link fetchModel}; those of `hubSettings`.
 */
export async function locateModel(
  given: string,
  { path = given, offline = false, ...options }: LocateOptions,
): Promise<LocatedModel> {
  const name = (await kindOf(path)) === undefined ? parseModelName(given) : undefined;
  if (name === undefined) return { given, directory: path };
  const settings = await hubSettings();
  const fetching = { ...options, settings: { ...settings, offline: settings.offline || offline } };
  const { directory, repository, commit } = await fetchModel(name, given, fetching);
  return { given, directory, origin: { repository, commit } };
}

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

/**
 * Finds a model or a tokenizer. What is there on this machine is meant before the hub is asked, as in transformers; what can only be
 * a path is left to those who open it.
 * @throws InputError, Interrupted as {@link fetchModel}; those of `hubSettings`.
 */
export async function locateModel(
  given: string,
  { offline = false, ...options }: Omit<FetchOptions, 'settings'> & { offline?: boolean },
): Promise<LocatedModel> {
  const name = (await kindOf(given)) === undefined ? parseModelName(given) : undefined;
  if (name === undefined) return { given, directory: given };
  const settings = await hubSettings();
  const found = await fetchModel(name, given, {
    ...options,
    settings: { ...settings, offline: settings.offline || offline },
  });
  const { directory, repository, commit } = found;
  return { given, directory, origin: { repository, commit } };
}

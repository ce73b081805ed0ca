/** The models and tokenizers that options name: folders, or names on the hub that are fetched first. */
import type { Command } from 'commander';
import type { ProgressListener } from '@selective-dpo/foundation';
import { isModelName, locateModel, type LocatedModel } from '@selective-dpo/hub';
import type { PolicyLocator } from '@selective-dpo/sweeps';

/** Adds what a command with such options takes besides. */
export function addOfflineOption(command: Command): Command {
  return command.option(
    '--offline',
    'take models named org/name[@revision] from the cache of this machine alone (or HF_HUB_OFFLINE=1)',
  );
}

export class ModelLocator implements PolicyLocator {
  private readonly offline: boolean;

  /**
   * @param values the options of a command with {@link addOfflineOption}.
   * @param listener hears of downloads.
   */
  constructor(
    values: Record<string, unknown>,
    private readonly listener: ProgressListener,
    private readonly signal: AbortSignal,
  ) {
    this.offline = values['offline'] === true;
  }

  /** A model with its weights. @throws InputError, Interrupted as `locateModel`. */
  model(given: string): Promise<LocatedModel> {
    return this.find('model', given);
  }

  /** A tokenizer: of a model on the hub without its weights. @throws as {@link model}. */
  tokenizer(given: string): Promise<LocatedModel> {
    return this.find('tokenizer', given);
  }

  /** The folder of a model, where an option names one. @throws as {@link model}. */
  async modelFolder(given: string | undefined): Promise<string | undefined> {
    return given === undefined ? undefined : (await this.model(given)).directory;
  }

  /** The folder of a {@link tokenizer}, where an option names one. @throws as {@link model}. */
  tokenizerFolder(given: string): Promise<string>;
  tokenizerFolder(given: string | undefined): Promise<string | undefined>;
  async tokenizerFolder(given: string | undefined): Promise<string | undefined> {
    return given === undefined ? undefined : (await this.tokenizer(given)).directory;
  }

  /** Whether a text that is no path on this machine may be a name on the hub. */
  knows(given: string): boolean {
    return isModelName(given);
  }

  /** The folder of a model whose name stands in a file: `path` is the folder that is meant before the name. @throws as {@link model}. */
  async locate(given: string, path: string): Promise<string> {
    return (await this.find('model', given, path)).directory;
  }

  private find(part: 'model' | 'tokenizer', given: string, path = given): Promise<LocatedModel> {
    const { offline, listener, signal } = this;
    return locateModel(given, { part, path, offline, listener, signal });
  }
}

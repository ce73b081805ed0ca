import type { Command } from 'commander';
import { InputError, quoteValue } from '@selective-dpo/foundation';
import type { LocatedModel } from '@selective-dpo/hub';
import type { CommandContext } from '../command-context.js';
import { ModelLocator, addOfflineOption } from '../model-locator.js';

/** `sdpo fetch`: models on the hub before they are needed, for machines that have no network then. */
export function addFetchCommand(program: Command, context: CommandContext): void {
  addOfflineOption(program.command('fetch'))
    .description('fetch models by name into the cache of this machine; what is there is not fetched again')
    .argument('<names...>', 'org/name or org/name@revision')
    .option('--tokenizer', 'the tokenizers alone, without weights')
    .option('--json', 'one JSON object a line')
    .action((names: string[], values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const locator = new ModelLocator(values, writer.listen, signal);
        for (const name of names) if (!locator.knows(name)) throw noName(name);
        const models: Required<LocatedModel>[] = [];
        for (const name of names) {
          const { origin, ...found } =
            values['tokenizer'] === true ? await locator.tokenizer(name) : await locator.model(name);
          if (origin === undefined) throw noName(name);
          models.push({ ...found, origin });
        }
        writer.result(
          { models: models.map(({ given, directory, origin }) => ({ name: given, directory, ...origin })) },
          models.map(({ given, directory, origin }) => `${given}: commit ${origin.commit} in ${directory}`),
        );
      }),
    );
}

function noName(name: string): InputError {
  return new InputError('hub-name', 'is a path on this machine, or no name of a model', {
    file: name,
    found: quoteValue(name),
    expected: 'org/name or org/name@revision, and no folder of that name here',
  });
}

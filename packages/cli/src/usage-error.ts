/** What is wrong with the words of a command line, and what to write instead. */
import type { Command, CommanderError } from 'commander';
import { InputError, nearestName, quoteValue } from '@selective-dpo/foundation';
import { TRAINING_KEYS } from '@selective-dpo/trainer';

/** A failure of parsing as a problem of the command that it happened in. */
export function usageError(error: CommanderError, command: Command): InputError {
  const help = `see ${pathOf(command)} --help`;
  const option = /^error: unknown option '(--?)([^=]*?)(?:=(.*))?'(?: *\n.*)?$/s.exec(error.message);
  if (option === null) {
    const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ');
    return new InputError('command-line', message, { hint: help });
  }
  const [, dashes, name, value] = option as unknown as [string, string, string, string?];
  const meant = settingMeant(name, value, command) ?? optionMeant(name, command);
  return new InputError('command-line', 'unknown option', {
    found: quoteValue(`${dashes}${name}`),
    hint: meant === undefined ? help : `${meant}; ${help}`,
  });
}

/** Settings of training are words without dashes. */
function settingMeant(name: string, value: string | undefined, command: Command): string | undefined {
  if (!command.registeredArguments.some((argument) => argument.name() === 'settings')) return undefined;
  const key = nearestName(name, TRAINING_KEYS);
  return key === undefined ? undefined : `write ${key}=${value ?? '…'}, without dashes`;
}

function optionMeant(name: string, command: Command): string | undefined {
  const near = nearestName(
    name,
    command.options.flatMap(({ long }) => (long ? [long.slice(2)] : [])),
  );
  return near === undefined ? undefined : `did you mean --${near}?`;
}

/** `sdpo eval preferences`. */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

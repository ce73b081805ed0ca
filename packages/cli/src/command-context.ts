import type { ConsoleWriter } from './console/console-writer.js';

/** What every command is given to run in. */
export interface CommandContext {
  /**
   * Runs a command's body with a writer that fits its options (`--json`) and a signal that Ctrl-C sets; turns
   * failures into lines and an exit code.
   */
  run(
    values: Record<string, unknown>,
    body: (writer: ConsoleWriter, signal: AbortSignal) => Promise<void>,
  ): Promise<void>;
}

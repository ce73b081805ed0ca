/** `npm run torture`: reads the words, runs the scenarios, sets the exit code. */
import { ConsoleWriter } from 'selective-dpo';
import { buildTorture } from './program.js';
import { SCENARIOS } from './scenarios.js';

const controller = new AbortController();
process.once('SIGINT', () => controller.abort());
process.once('SIGTERM', () => controller.abort());

const program = buildTorture(
  SCENARIOS,
  {
    async run(values, body) {
      const writer = new ConsoleWriter(process.stdout, process.stderr, values['json'] === true);
      try {
        await body(writer, controller.signal);
      } catch (error) {
        process.exitCode = writer.failure(error);
      }
    },
  },
  () => (process.exitCode = 1),
);
program.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
await program.parseAsync();

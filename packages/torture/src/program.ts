/** The command `npm run torture`. */
import { publishBytes } from '@selective-dpo/foundation';
import { Command } from 'commander';
import { OptionReader, type CommandContext } from 'selective-dpo';
import { runScenarios } from './run-scenarios.js';
import type { Scenario } from './scenario.js';
import { describeTally } from './table.js';
import { isSound, type TallyRow } from './tally.js';

const DEFAULT_SEED = 1;

/**
 * The command line. Its exit code is 1 where a count that must be 0 is not, or a kind of fault was never tried.
 * @param fail is told so.
 * @throws (when it parses) as commander does.
 */
export function buildTorture(
  scenarios: readonly Scenario[],
  context: CommandContext,
  fail: () => void,
): Command {
  const names = scenarios.map(({ name }) => name);
  return new Command('torture')
    .description('tries faults by the thousand and counts what they come to')
    .option('--seed <n>', 'equal seeds try equal faults', String(DEFAULT_SEED))
    .option('--short', 'a few faults of each kind')
    .option('--only <name>', `one scenario: ${names.join(', ')}`)
    .option('--report <file>', 'where to write the rows as JSON, too')
    .option('--json', 'one JSON object a line')
    .addHelpText('after', scenarios.map(({ name, meaning }) => `\n  ${name}: ${meaning}`).join(''))
    .action((values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const seed = options.whole('seed', '--seed', 0) ?? DEFAULT_SEED;
        const only = options.oneOf('only', '--only', names);
        options.finish();
        const chosen = scenarios.filter(({ name }) => only === undefined || name === only);
        const settings = { seed, short: options.flag('short'), signal, listener: writer.listen };
        const rows: TallyRow[] = [];
        try {
          for await (const row of runScenarios(chosen, settings)) {
            rows.push(row);
            writer.event({ type: 'row', ...row });
          }
        } catch (error) {
          // Stopped, or a defect of ours: what was counted is worth seeing.
          for (const line of describeTally(rows)) writer.line(line);
          throw error;
        }
        const sound = rows.length > 0 && rows.every(isSound);
        const report = options.text('report');
        if (report !== undefined) await publishBytes(report, reportOf(rows));
        writer.result({ seed, sound }, [
          ...describeTally(rows),
          sound ? `seed ${seed}: every zero is one` : `seed ${seed}: NOT SOUND`,
        ]);
        if (!sound) fail();
      }),
    );
}

/** For who adds up: every row, and whether it is sound. */
function reportOf(rows: readonly TallyRow[]): string {
  return `${JSON.stringify({ rows: rows.map((row) => ({ ...row, sound: isSound(row) })) })}\n`;
}

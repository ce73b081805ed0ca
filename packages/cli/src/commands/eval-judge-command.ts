import type { Command } from 'commander';
import { InputError, type NoticeEvent } from '@selective-dpo/foundation';
import {
  BENCHMARKS,
  ChatEndpoint,
  judgePairs,
  loadProgramJudge,
  rateAnswers,
  type Judge,
  type JudgingOptions,
  type PairwiseResult,
  type RatingResult,
} from '@selective-dpo/evaluation';
import type { CommandContext } from '../command-context.js';
import type { ConsoleWriter } from '../console/console-writer.js';
import { percent, renderTable, type TableRow } from '../demo/result-table.js';
import { OptionReader } from '../options.js';
import { timestampClock } from './timestamp-clock.js';

/** Where the key is looked for unless `--judge-key-env` names another variable. */
const KEY_VARIABLE = 'SDPO_JUDGE_KEY';

/** `sdpo eval judge`: answers compared with a baseline's, or rated. */
export function addEvalJudgeCommand(evaluation: Command, context: CommandContext): void {
  evaluation
    .command('judge')
    .description(
      'let a judge compare answers with those of a baseline (in both orders), or rate them from 1 to 10',
    )
    .option('--questions <file>', 'the questions that were answered')
    .option('--format <name>', BENCHMARKS.join(', '))
    .option('--answers <file>', "the model's answers")
    .option('--baseline <file>', "another model's answers: compare; without it, rate each answer")
    .option('--judge-prompts <file>', "MT-Bench's judge_prompts.jsonl, for ratings")
    .option('--references <file>', "FastChat's reference answers (default: those in the questions)")
    .option('--out <file>', 'the judgments; finished ones in it are kept')
    .option('--judge-url <url>', 'OpenAI-compatible endpoint, e.g. http://localhost:8000/v1')
    .option('--judge-model <name>', 'model of the endpoint')
    .option('--judge-key-env <name>', 'environment variable with the key', KEY_VARIABLE)
    .option(
      '--judge <module>',
      'a module of yours as judge, in place of an endpoint: it runs with all your rights',
    )
    .option('--attempts <n>', 'how often a verdict is asked for until there is one', '3')
    .option('--concurrency <n>', 'requests at one time', '8')
    .option('--timeout <seconds>', 'time for one request, at most 300', '120')
    .option('--retries <n>', 'how often a failed request is repeated', '6')
    .option('--limit <n>', 'first questions of the file only')
    .option('--timestamp <seconds>', 'time written into ratings (default: the clock)')
    .option('--json', 'one JSON object a line')
    .action((values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const { request, baselineFile, promptFile, now } = requestOf(options);
        const how = judgeOptions(options);
        options.finish();
        const judge = await judgeOf(how, writer);
        const repeated = () => (judge instanceof ChatEndpoint ? judge.repeated : 0);
        const all = { ...request, judge, repeated, listener: writer.listen, signal };
        const result =
          baselineFile === undefined
            ? await rateAnswers({ ...all, promptFile, referenceFile: options.text('references'), now })
            : await judgePairs({ ...all, baselineFile });
        writer.result(result, 'winRate' in result ? describePairs(result) : describeRatings(result));
        refuseMissing(result, request.outFile);
      }),
    );
}

function requestOf(options: OptionReader): {
  request: Omit<JudgingOptions, 'judge'>;
  baselineFile: string | undefined;
  promptFile: string;
  now: () => number;
} {
  const baselineFile = options.text('baseline');
  if (baselineFile !== undefined && baselineFile === options.text('answers')) {
    options.refuse('--baseline', baselineFile, "another model's answers than --answers");
  }
  return {
    request: {
      questionFile: options.required('questions', '--questions', 'a file of questions'),
      format: options.requiredOneOf('format', '--format', BENCHMARKS),
      answerFile: options.required('answers', '--answers', 'a file of answers'),
      outFile: options.required('out', '--out', 'a file'),
      limit: options.whole('limit', '--limit', 1),
      attempts: options.whole('attempts', '--attempts', 1, 20) ?? 1,
      concurrency: options.whole('concurrency', '--concurrency', 1, 256) ?? 1,
    },
    baselineFile,
    promptFile:
      baselineFile === undefined
        ? options.required('judgePrompts', '--judge-prompts', "MT-Bench's judge_prompts.jsonl, or --baseline")
        : '',
    now: timestampClock(options),
  };
}

interface JudgeOptions {
  module: string | undefined;
  url: string;
  model: string;
  keyVariable: string;
  timeoutMs: number;
  retries: number;
}

function judgeOptions(options: OptionReader): JudgeOptions {
  const module = options.text('judge');
  const endpoint = module === undefined || options.text('judgeUrl') !== undefined;
  if (module !== undefined && endpoint) options.refuse('--judge', 'with --judge-url', 'one of them');
  return {
    module,
    url: endpoint ? options.required('judgeUrl', '--judge-url', 'an endpoint, or --judge MODULE') : '',
    model: endpoint ? options.required('judgeModel', '--judge-model', 'a model of the endpoint') : '',
    keyVariable: options.text('judgeKeyEnv') ?? KEY_VARIABLE,
    timeoutMs: 1000 * (options.whole('timeout', '--timeout', 1, 300) ?? 1),
    retries: options.whole('retries', '--retries', 0, 100) ?? 0,
  };
}

async function judgeOf(how: JudgeOptions, writer: ConsoleWriter): Promise<Judge> {
  const { module, url, model, timeoutMs, retries, keyVariable } = how;
  if (module !== undefined) return loadProgramJudge(module, timeoutMs);
  const endpoint = new ChatEndpoint({ url, model, key: process.env[keyVariable], timeoutMs, retries });
  if (endpoint.sendsKeyInClear) {
    const notice: NoticeEvent = {
      ...{ type: 'notice', code: 'key-in-clear' },
      message: `the key in ${keyVariable} goes to the judge unencrypted: prefer an https address`,
    };
    writer.listen(notice);
  }
  return endpoint;
}

function describePairs(result: PairwiseResult): string[] {
  const { model, baseline, judge, winRate, firstPlaceShare } = result;
  const rate =
    winRate === undefined
      ? 'no verdict'
      : `${percent(winRate.value)} [${percent(winRate.low)}, ${percent(winRate.high)}]`;
  return [
    `${model} against ${baseline}, judged by ${judge} in both orders`,
    ...renderTable([
      ['', 'model'],
      ['win rate, [[>>]] counting 3, with 95% interval', rate],
      ['wins, ties, losses', `${result.wins}, ${result.ties}, ${result.losses}`],
      ['ties of which the orders contradict', String(result.contradictions)],
      ['points to whoever stood first', firstPlaceShare === undefined ? '–' : percent(firstPlaceShare)],
      ...countRows(result, `${result.judged} of ${result.questions}`),
      ...Object.entries(result.categories).map(([name, one]): TableRow => [
        name,
        `${percent(one.winRate)} of ${one.judged}`,
      ]),
    ]),
  ];
}

function describeRatings(result: RatingResult): string[] {
  const shown = (estimate: RatingResult['rating']) =>
    estimate === undefined
      ? 'no rating'
      : `${estimate.value.toFixed(2)} [${estimate.low.toFixed(2)}, ${estimate.high.toFixed(2)}]`;
  return [
    `${result.model}, rated by ${result.judge}`,
    ...renderTable([
      ['', 'rating, with 95% interval'],
      ['all turns', shown(result.rating)],
      ['first turn', shown(result.turns['1'])],
      ['second turn', shown(result.turns['2'])],
      ...Object.entries(result.categories).map(([name, one]): TableRow => [
        name,
        `${one.rating.toFixed(2)} of ${one.rated}`,
      ]),
      ...countRows(result, `${result.rated} turns of ${result.questions} questions`),
    ]),
  ];
}

function countRows(result: PairwiseResult | RatingResult, judged: string): TableRow[] {
  return [
    ['judged', judged],
    ['without a verdict, counted for nobody', String(result.withoutVerdict)],
    ['not judged', String(result.missing)],
  ];
}

/** The figures were shown; a program must see that they are not all there is. @throws InputError `judgments-missing`. */
function refuseMissing({ missing }: PairwiseResult | RatingResult, file: string): void {
  if (missing === 0) return;
  throw new InputError('judgments-missing', 'the judge could not be asked everything', {
    file,
    found: `${missing} without a judgment`,
    hint: 'run the same command again: only these are asked',
  });
}

import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { isFolder, requireFile } from '@selective-dpo/foundation';
import { BENCHMARKS, answerQuestions, evaluatedModels, type AnswerResult } from '@selective-dpo/evaluation';
import { ENGINE_CHOICES } from '@selective-dpo/model';
import type { CommandContext } from '../command-context.js';
import { formatCount } from '../console/format.js';
import { ModelLocator, addOfflineOption } from '../model-locator.js';
import { OptionReader } from '../options.js';
import { timestampClock } from './timestamp-clock.js';

/** `sdpo eval answers`: a model's answers to a benchmark, for its own judge. */
export function addEvalAnswersCommand(evaluation: Command, context: CommandContext): void {
  addOfflineOption(evaluation.command('answers'))
    .description("answers to MT-Bench or Arena-Hard, in the layout that the benchmark's own judge reads")
    .option('--model <dir>', 'model directory, run, checkpoint, or org/name[@revision] on the hub')
    .option('--questions <file>', 'question.jsonl of the benchmark')
    .option('--format <name>', BENCHMARKS.join(', '))
    .option('--out <file>', 'the answers, or a folder for MODEL-ID.jsonl; finished ones in it are kept')
    .option('--model-id <name>', "name of the model (default: its folder's)")
    .option('--max-new-tokens <n>', 'tokens of one answer (default: 1024 for mt-bench, 4096 for arena-hard)')
    .option('--temperature <t>', "in place of the benchmark's own by category; 0 is greedy")
    .option('--top-p <p>', "in place of the model directory's own")
    .option('--top-k <k>', "in place of the model directory's own; 0 is off")
    .option('--seed <n>', 'decides every draw', '0')
    .option('--batch-size <n>', 'questions answered together', '16')
    .option('--limit <n>', 'first questions of the file only')
    .option('--timestamp <seconds>', 'time written into the answers (default: the clock)')
    .option('--engine <name>', ENGINE_CHOICES.join(', '), 'auto')
    .option('--precision <name>', 'fp32 or bf16-matmul', 'fp32')
    .option('--json', 'one JSON object a line')
    .action((values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const folder = options.required('model', '--model', 'a model directory or a run');
        const out = options.required('out', '--out', 'a file or a folder');
        const request = requestOf(options);
        options.finish();
        await requireFile(request.questionFile);
        const locator = new ModelLocator(values, writer.listen, signal);
        const [model] = await evaluatedModels([await locator.model(folder)]);
        const modelId = options.text('modelId') ?? model!.name.replaceAll('/', '-');
        const result = await answerQuestions({
          ...request,
          ...{ modelDirectory: model!.directory, modelId, outFile: await answerFile(out, modelId) },
          ...{ listener: writer.listen, signal },
        });
        writer.result(result, describe(result));
      }),
    );
}

function requestOf(options: OptionReader) {
  const format = options.requiredOneOf('format', '--format', BENCHMARKS);
  return {
    format,
    questionFile: options.required('questions', '--questions', 'a file of questions'),
    limit: options.whole('limit', '--limit', 1),
    maxNewTokens:
      options.whole('maxNewTokens', '--max-new-tokens', 1) ?? (format === 'mt-bench' ? 1024 : 4096),
    temperature: options.real('temperature', '--temperature', 0, 100),
    topP: options.real('topP', '--top-p', 1e-6, 1),
    topK: options.whole('topK', '--top-k', 0),
    seed: options.whole('seed', '--seed', 0) ?? 0,
    batchSize: options.whole('batchSize', '--batch-size', 1, 4096) ?? 1,
    engine: options.oneOf('engine', '--engine', ENGINE_CHOICES),
    precision: options.oneOf('precision', '--precision', ['fp32', 'bf16-matmul']),
    now: timestampClock(options),
  };
}

/** FastChat and Arena-Hard take a file's name for the model's. */
async function answerFile(out: string, modelId: string): Promise<string> {
  const folder = /[\\/]$/.test(out) || (await isFolder(out));
  return folder ? join(out, `${basename(modelId)}.jsonl`) : out;
}

function describe(result: AnswerResult): string[] {
  const { truncatedPrompts, droppedTokens, endedByLength, turns } = result;
  return [
    `${result.file}: ${formatCount(result.questions, 'question')} answered` +
      (result.answeredBefore === 0 ? '' : `, ${result.answeredBefore} of them before`) +
      `, ${formatCount(result.answerTokens, 'token')}, layout ${result.layout}`,
    truncatedPrompts === 0
      ? "every prompt fitted into the model's context"
      : `${truncatedPrompts} of ${turns} prompts were cut at their start to fit, by ${formatCount(droppedTokens, 'token')}`,
    `${endedByLength} of ${turns} answers were ended by their length`,
  ];
}

import type { Command } from 'commander';
import { InputError } from '@selective-dpo/foundation';
import {
  DEFAULT_MAX_NEW_TOKENS,
  DEFAULT_TOP_K,
  MAX_TEMPERATURE,
  openTextGenerator,
  readPrompts,
  writeAnswers,
  type Answer,
  type DecodingOptions,
  type EncodedPrompt,
  type Prompt,
  type TextGenerator,
} from '@selective-dpo/generation';
import type { CommandContext } from '../command-context.js';
import type { ConsoleWriter } from '../console/console-writer.js';
import { formatCount } from '../console/format.js';
import { ModelLocator } from '../model-locator.js';
import { OptionReader, collect } from '../options.js';
import { addGeneratorOptions, generatorOptions } from './generator-options.js';

/** Longest prompt read from standard input, in bytes. */
const MAX_STDIN_BYTES = 4 << 20;

type Form = 'auto' | 'chat' | 'completion';

/** `sdpo generate`: text from a model. */
export function addGenerateCommand(program: Command, context: CommandContext): void {
  addGeneratorOptions(program.command('generate'))
    .description('write text with a model: one prompt, a file of prompts, or standard input')
    .option('--prompt <text>', 'the prompt')
    .option(
      '--prompts <file>',
      'JSON Lines: "text", {"prompt": text or messages} or {"messages": […]} a line',
    )
    .option('--chat', 'take texts for what a user says (default where the tokenizer has a chat template)')
    .option('--completion', 'go on from texts as they stand')
    .option('--system <text>', 'a system message before each text or conversation that has none')
    .option(
      '--max-new-tokens <n>',
      `tokens of an answer (default: the model's, else ${DEFAULT_MAX_NEW_TOKENS})`,
    )
    .option('--temperature <t>', "0 is greedy (default: the model's generation_config.json, else greedy)")
    .option(
      '--top-k <k>',
      `most likely tokens to draw from, 0 is off (default: the model's, else ${DEFAULT_TOP_K})`,
    )
    .option('--top-p <p>', "share of probability to draw from (default: the model's, else 1)")
    .option('--seed <n>', 'decides every draw', '0')
    .option('--stop <text>', 'ends an answer; may be given again', collect)
    .option('--out <file>', 'answers as JSON Lines; finished ones in it are kept')
    .option('--json', 'one JSON object a line')
    .action((values: Record<string, unknown>) =>
      context.run(values, async (writer, signal) => {
        const options = new OptionReader(values);
        const source = generatorOptions(options);
        const form = formOf(options);
        const request = {
          decoding: decodingOptions(options, values),
          seed: options.whole('seed', '--seed', 0) ?? 0,
        };
        const texts = promptSource(options);
        options.finish();
        const prompts = await texts();
        const { directory, options: opened } = await source(
          new ModelLocator(values, writer.listenOnError, signal),
        );
        const generator = await openTextGenerator(directory, { ...opened, listener: writer.listenAside });
        try {
          const posed = prompts.map((prompt) =>
            pose(prompt, form, options.anyText('system'), generator, writer),
          );
          const encoded = generator.encode(posed);
          const outFile = options.text('out');
          if (outFile === undefined) await show(generator, encoded, request, writer, signal);
          else {
            const files = {
              ...{ modelDirectory: directory, promptFile: options.text('prompts'), outFile },
              ...{ listener: writer.listen, signal },
            };
            const result = await writeAnswers({ generator, prompts: encoded, ...request, ...files });
            const before = result.answeredBefore === 0 ? '' : `, ${result.answeredBefore} of them before`;
            writer.result(result, [
              `${result.file}: ${formatCount(result.prompts, 'prompt')} answered${before}, ${formatCount(result.tokens, 'token')}`,
            ]);
          }
        } finally {
          generator.dispose();
        }
      }),
    );
}

function formOf(options: OptionReader): Form {
  const [chat, completion] = [options.flag('chat'), options.flag('completion')];
  if (completion && (chat || options.anyText('system') !== undefined)) {
    options.refuse('--completion', 'together with --chat or --system', 'one of them');
  }
  return completion ? 'completion' : chat || options.anyText('system') !== undefined ? 'chat' : 'auto';
}

function decodingOptions(options: OptionReader, values: Record<string, unknown>): DecodingOptions {
  const stop = values['stop'] === undefined ? undefined : options.list('stop', '--stop', 'a text');
  return {
    maxNewTokens: options.whole('maxNewTokens', '--max-new-tokens', 1),
    temperature: options.real('temperature', '--temperature', 0, MAX_TEMPERATURE),
    topK: options.whole('topK', '--top-k', 0),
    topP: options.real('topP', '--top-p', 1e-6, 1),
    stop,
  };
}

/** Exactly one of `--prompt`, `--prompts` and standard input. */
function promptSource(options: OptionReader): () => Promise<Prompt[]> {
  const [text, file] = [options.anyText('prompt'), options.text('prompts')];
  if (text !== undefined && file !== undefined)
    options.refuse('--prompt', 'together with --prompts', 'one of them');
  if (text !== undefined) return () => Promise.resolve([{ text }]);
  if (file !== undefined) return () => readPrompts(file);
  if (process.stdin.isTTY)
    options.required('prompt', '--prompt', 'a text, --prompts FILE, or standard input');
  return async () => [{ text: await standardInput() }];
}

async function standardInput(): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of process.stdin) {
    bytes += (piece as Buffer).length;
    if (bytes > MAX_STDIN_BYTES) {
      throw new InputError('text-too-long', 'the prompt is longer than a text may be', {
        file: 'standard input',
        expected: `at most ${MAX_STDIN_BYTES} bytes`,
      });
    }
    pieces.push(piece as Buffer);
  }
  // The line end that a shell's echo or a text editor puts at the end is not meant.
  return Buffer.concat(pieces)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/** A prompt in the form it is asked in; tells once where a conversation has no template. */
function pose(
  prompt: Prompt,
  form: Form,
  system: string | undefined,
  { tokenizer }: TextGenerator,
  writer: ConsoleWriter,
): Prompt {
  const asChat = form === 'chat' || (form === 'auto' && tokenizer.hasChatTemplate);
  if ('text' in prompt && !asChat) return prompt;
  const messages = 'text' in prompt ? [{ role: 'user', content: prompt.text }] : prompt.messages;
  for (const notice of tokenizer.notices) writer.once(notice);
  const headed = system === undefined || messages[0]?.role === 'system';
  return { messages: headed ? messages : [{ role: 'system', content: system }, ...messages] };
}

/** One answer as it comes; several one after the other, with an empty line between. */
async function show(
  generator: TextGenerator,
  prompts: EncodedPrompt[],
  { decoding, seed }: { decoding: DecodingOptions; seed: number },
  writer: ConsoleWriter,
  signal: AbortSignal,
): Promise<void> {
  const single = prompts.length === 1;
  const started = performance.now();
  let tokens = 0;
  const answers = generator.generateEncoded(prompts, {
    ...decoding,
    ...{ seed, signal, listener: writer.listenAside },
    ...(single ? { onText: (_: number, piece: string) => writer.piece(piece) } : {}),
  });
  for await (const answer of answers) {
    tokens += answer.tokens.length;
    if (!single) writer.piece(answer.index === 0 ? answer.text : `\n${answer.text}`);
    writer.piece('\n');
    writer.event({ type: 'answer', ...record(answer) });
  }
  const seconds = (performance.now() - started) / 1000;
  writer.result({ answers: prompts.length, tokens, seconds, tokensPerSecond: tokens / seconds }, []);
}

function record({ index, text, finishReason, promptTokens, tokens }: Answer): object {
  return { row: index, text, finishReason, promptTokens, completionTokens: tokens.length };
}

/** Options that every command has that writes text with a model. */
import type { Command } from 'commander';
import { evaluatedModels } from '@selective-dpo/evaluation';
import type { TextGeneratorOptions } from '@selective-dpo/generation';
import { ENGINE_CHOICES } from '@selective-dpo/model';
import { addOfflineOption, type ModelLocator } from '../model-locator.js';
import type { OptionReader } from '../options.js';
import { readTemplate } from './template-file.js';

/** Adds the options that {@link generatorOptions} reads. */
export function addGeneratorOptions(command: Command): Command {
  return addOfflineOption(command)
    .option('--model <dir>', 'model directory, run, checkpoint, or org/name[@revision] on the hub')
    .option('--tokenizer <dir>', "directory with the tokenizer (default: the model's own)")
    .option('--chat-template <file>', "Jinja chat template in place of the tokenizer's own")
    .option('--batch-size <n>', 'answers generated together', '16')
    .option('--engine <name>', ENGINE_CHOICES.join(', '), 'auto')
    .option('--precision <name>', 'fp32 or bf16-matmul', 'fp32');
}

/** Reads them; files are read and models fetched when the result is called, once all options are known to make sense. */
export function generatorOptions(
  options: OptionReader,
): (locator: ModelLocator) => Promise<{ directory: string; name: string; options: TextGeneratorOptions }> {
  const folder = options.required('model', '--model', 'a model directory or a run');
  const template = options.text('chatTemplate');
  const read: TextGeneratorOptions = {
    batchSize: options.whole('batchSize', '--batch-size', 1, 1024),
    engine: options.oneOf('engine', '--engine', ENGINE_CHOICES),
    precision: options.oneOf('precision', '--precision', ['fp32', 'bf16-matmul']),
  };
  return async (locator) => {
    const chatTemplate = template === undefined ? undefined : await readTemplate(template);
    const [model] = await evaluatedModels([await locator.model(folder)]);
    const tokenizerDirectory = await locator.tokenizerFolder(options.text('tokenizer'));
    const { directory, name } = model!;
    return { directory, name, options: { ...read, tokenizerDirectory, chatTemplate } };
  };
}

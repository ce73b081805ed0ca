import type { Command } from 'commander';
import type { CommandContext } from '../command-context.js';
import { addEvalAnswersCommand } from './eval-answers-command.js';
import { addEvalJudgeCommand } from './eval-judge-command.js';
import { addEvalPreferencesCommand } from './eval-preferences-command.js';

/** `sdpo eval`: what trained policies are worth. */
export function addEvalCommand(program: Command, context: CommandContext): void {
  const evaluation = program.command('eval').description('measure models: preferences, answers, judges');
  addEvalPreferencesCommand(evaluation, context);
  addEvalAnswersCommand(evaluation, context);
  addEvalJudgeCommand(evaluation, context);
}

/** The demo's data: a small world, its texts, its tokenizer and its judge. */
export * from './orders.js';
export { renderPrompt } from './prompts.js';
export { planAnswer, renderAnswer, type AnswerPlan } from './answers.js';
export { addFaults, applyFault, FAULT_KINDS, type FaultKind } from './faults.js';
export { HABITS, planStaffAnswer, planWrongAnswer, SLIP_SHARE, type Habit } from './habits.js';
export { judgeAnswer, parseOrder, type Judgement } from './judge.js';
export { winRate, type WinRate } from './win-rate.js';
export * from './rows.js';
export * from './model-answers.js';
export * from './tokenizer-files.js';
export * from './write-demo-data.js';
export { DEMO_FILES, demoOutput, type DemoOutput } from './demo-files.js';
export {
  DEMO_LIMITS,
  DEMO_RUNS,
  DEMO_SIZE,
  demoTraining,
  type DemoRun,
  type DemoSize,
} from './demo-settings.js';
export { evaluateHeldOut, readHeldOut, type HeldOutPair, type HeldOutResult } from './held-out.js';
export { runDemo, type DemoOptions } from './run-demo.js';
export { type DemoOutcome, type RunOutcome } from './demo-report.js';

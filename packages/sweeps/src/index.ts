export type { RunStatus, SweepReport, SweptRun } from './swept-run.js';
export { planSweep, type SweepPlan } from './plan/plan-sweep.js';
export type { PolicyLocator } from './plan/sources.js';
export { keyOf, runNameOf, trainArguments, type PlannedRun } from './plan/planned-run.js';
export { commandLines, shellQuote } from './command-lines.js';
export { writeNxProjects } from './nx-projects.js';
export {
  REPORT_FILE,
  collectSweep,
  runSweep,
  type RunEvent,
  type RunFailure,
  type SweepEvent,
  type SweepOptions,
  type SweepResult,
} from './run-sweep.js';
export { DEFAULT_METRIC, figuresBeside, refuseAbsentMetric, refuseUnheldMetric } from './shown-metric.js';
export { recordedRuns, type RecordedRun } from './results/recorded-runs.js';
export type { RunResult } from './results/run-result.js';
export { STOP_WITH_PARENT, type RunProgress, type TrainOutcome } from './pool/train-process.js';
export { renderMetricPlot } from './report/metric-plot.js';
export { renderSweepReport } from './report/sweep-report.js';
export { summarize, type SeedSummary } from './report/statistics/seed-summary.js';
export { RUNS_FOLDER } from './pool/run-folders.js';

export type { RunStatus, SweepReport, SweptRun } from './swept-run.js';

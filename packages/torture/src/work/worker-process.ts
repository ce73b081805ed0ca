/** A process that does one piece of work under faults: `node worker-process.js KIND`. It loads first, then waits. */
import { describeProblem, problemsOf } from '@selective-dpo/foundation';
import { FileSystemFaults, type FaultPlan } from './file-system-faults.js';
import { loadWork, type WorkKind, type WorkRequest } from './work-request.js';

/** What the process is told. */
export interface Order {
  request: WorkRequest;
  plan: FaultPlan;
}

/** What it tells: that it may be given work; then how that ended. */
export type Report =
  | { type: 'ready' }
  | { type: 'done'; seconds: number; operations: number }
  /** Typed errors. */
  | { type: 'refused'; codes: string[]; message: string }
  /** Anything else. */
  | { type: 'defect'; message: string };

const tell = (report: Report) => new Promise<void>((resolve) => process.send!(report, () => resolve()));

async function carryOut({ request, plan }: Order): Promise<Report> {
  faults.begin(plan);
  const started = performance.now();
  try {
    await work(request.options);
    const { operations } = faults;
    return { type: 'done', seconds: (performance.now() - started) / 1000, operations };
  } catch (error) {
    const problems = problemsOf(error);
    if (problems === undefined) return { type: 'defect', message: String((error as Error).stack ?? error) };
    return {
      type: 'refused',
      codes: problems.map(({ code }) => code),
      message: problems.map(describeProblem).join('\n'),
    };
  }
}

const faults = await FileSystemFaults.install();
const work = await loadWork(process.argv[2] as WorkKind);
process.once(
  'message',
  (order) =>
    void carryOut(order as Order)
      .then(tell)
      .then(() => process.exit(0)),
);
// Who asked is gone: so is the reason to go on.
process.once('disconnect', () => process.exit(0));
await tell({ type: 'ready' });

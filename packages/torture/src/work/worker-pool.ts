/** Processes that have loaded what their work needs, so that a fault comes in the work and not in the loading. */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkKind, WorkRequest } from './work-request.js';
import type { FaultPlan } from './file-system-faults.js';
import type { Report } from './worker-process.js';

const PROGRAM = fileURLToPath(new URL('../../dist/work/worker-process.js', import.meta.url));

/** How a piece of work ended. */
export type Ending = Exclude<Report, { type: 'ready' }> | { type: 'killed' };

/** Disturbances from outside and inside of one piece of work. */
export interface Disturbance extends FaultPlan {
  /** SIGKILL so many milliseconds after the work began. */
  killAfter?: number;
}

export class WorkerPool {
  private readonly waiting = new Map<WorkKind, Promise<ChildProcess>[]>();
  private readonly all = new Set<ChildProcess>();

  /**
   * @param ahead processes of a kind that load while one works.
   * @param folder where modules are kept compiled, which Node does from version 22 on.
   */
  constructor(
    private readonly ahead: number,
    private readonly folder: string,
  ) {}

  /** Does one piece of work in a process of its own. @throws Error where the process ends in a way nobody asked for. */
  async run(request: WorkRequest, { killAfter, ...plan }: Disturbance = {}): Promise<Ending> {
    const child = await this.take(request.work);
    return new Promise((resolve, reject) => {
      let report: Ending | undefined;
      let timer: NodeJS.Timeout | undefined;
      child.on('message', (message) => (report = message as Ending));
      child.on('exit', (code, signal) => {
        clearTimeout(timer);
        this.all.delete(child);
        if (report !== undefined) resolve(report);
        else if (signal === 'SIGKILL') resolve({ type: 'killed' });
        else resolve({ type: 'defect', message: `ended by itself with ${signal ?? code}` });
      });
      child.on('error', reject);
      child.send({ request, plan }, (error) => {
        if (error !== null) reject(error);
      });
      if (killAfter !== undefined) timer = setTimeout(() => child.kill('SIGKILL'), killAfter);
    });
  }

  /** Ends all processes that wait or work. */
  close(): void {
    for (const child of this.all) child.kill('SIGKILL');
    this.waiting.clear();
  }

  /** The process that has waited longest, while the next ones load: loading takes longer than the work. */
  private take(kind: WorkKind): Promise<ChildProcess> {
    const waiting = this.waiting.get(kind) ?? [];
    this.waiting.set(kind, waiting);
    while (waiting.length <= this.ahead) waiting.push(this.start(kind));
    return waiting.shift()!;
  }

  private start(kind: WorkKind): Promise<ChildProcess> {
    const env = { ...process.env, NODE_COMPILE_CACHE: join(this.folder, 'modules') };
    const child = fork(PROGRAM, [kind], { env, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.all.add(child);
    const ready = new Promise<ChildProcess>((resolve, reject) => {
      child.once('message', () => resolve(child));
      child.once('exit', (code) => reject(new Error(`the worker ended with ${code} before it began`)));
      child.once('error', reject);
    });
    // It counts for who takes it.
    ready.catch(() => undefined);
    return ready;
  }
}

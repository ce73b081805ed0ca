/**
 * Faults of the file system from inside a process: Node's own functions are replaced, and every module that imports them
 * gets the replacements. Operations that change something on disk are counted; a plan says at which of them what happens.
 */
import { rmSync } from 'node:fs';
import * as fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname, join } from 'node:path';

/** Errors of the operating system. */
export type FailureCode = 'ENOSPC' | 'EFBIG' | 'EROFS' | 'EACCES' | 'EIO';

/** What happens to the operations of a process, counted from 0. */
export interface FaultPlan {
  /** SIGKILL in the midst of this operation: half of a write is done, half of a folder is removed. */
  killAt?: number;
  /** From this operation on all of them fail, or where it is room that is missing (ENOSPC, EFBIG) those that need some. */
  failFrom?: { at: number; code: FailureCode };
  /** Before this operation a folder is removed with all that is in it. */
  removeAt?: { at: number; folder: string };
  /** From this operation on the clock is so many milliseconds behind. */
  clockBackAt?: { at: number; milliseconds: number };
  /** A write puts down half of what it was given, and says so, as a disk that is nearly full may do. */
  shortWrites?: boolean;
  /** A negative control: a file gets its final name before it is written. */
  renameFirst?: boolean;
}

type Call = (this: unknown, ...args: unknown[]) => Promise<unknown>;
type Functions = Record<string, Call>;

/** Operations that a full disk refuses. */
const NEEDS_ROOM = new Set([
  'open',
  'mkdir',
  'writeFile',
  'appendFile',
  'write',
  'copyFile',
  'link',
  'sync',
  'datasync',
]);
const OF_PATHS = ['mkdir', 'writeFile', 'appendFile', 'rename', 'rm', 'unlink', 'link', 'copyFile', 'chmod'];
const OF_HANDLES = ['write', 'writeFile', 'appendFile', 'sync', 'datasync', 'truncate'];
/** As `temporaryPath` of the foundation names files. */
const TEMPORARY = /^\.(.+)\.\d+-[0-9a-f]{8}-\d+\.tmp$/;

export class FileSystemFaults {
  /** Operations so far. */
  operations = 0;
  private plan: FaultPlan = {};
  private readonly open: Call;

  private constructor(private readonly functions: Functions) {
    this.open = functions['open']!;
  }

  /** Takes the place of this process's file system; nothing happens until a plan begins. */
  static async install(): Promise<FileSystemFaults> {
    const functions = fs.promises as unknown as Functions;
    const faults = new FileSystemFaults(functions);
    const handle = await fs.promises.open(process.execPath, 'r');
    const ofHandles = Object.getPrototypeOf(handle) as Functions;
    await handle.close();
    for (const name of OF_PATHS) faults.replace(functions, name);
    for (const name of OF_HANDLES) faults.replace(ofHandles, name);
    faults.replaceOpen();
    syncBuiltinESMExports();
    return faults;
  }

  /** Counts from 0 again. */
  begin(plan: FaultPlan): void {
    this.operations = 0;
    this.plan = plan;
  }

  private replace(functions: Functions, name: string): void {
    const { disturbed } = this;
    const original = functions[name]!;
    functions[name] = function (...args) {
      return disturbed(name, original, this, args);
    };
  }

  /** Only opening for writing changes anything. */
  private replaceOpen(): void {
    const { disturbed, open } = this;
    this.functions['open'] = function (...args) {
      const [, flags] = args;
      const reads = flags === undefined || flags === 'r' || typeof flags === 'number';
      return reads ? open.apply(this, args) : disturbed('open', open, this, args);
    };
  }

  private readonly disturbed = async (
    name: string,
    original: Call,
    self: unknown,
    args: unknown[],
  ): Promise<unknown> => {
    const at = this.operations++;
    const { killAt, failFrom, removeAt, clockBackAt, shortWrites, renameFirst } = this.plan;
    if (at === clockBackAt?.at) setClockBack(clockBackAt.milliseconds);
    if (at === removeAt?.at) rmSync(removeAt.folder, { recursive: true, force: true });
    if (at === killAt) await this.killInTheMidst(name, original, self, args);
    if (failFrom !== undefined && at >= failFrom.at && refuses(failFrom.code, name)) {
      const { code } = failFrom;
      throw Object.assign(new Error(`${code}: injected, ${name}`), { code, syscall: name });
    }
    if (renameFirst === true && name === 'rename' && TEMPORARY.test(basename(String(args[0]))))
      return undefined;
    const result = await original.apply(self, shortWrites === true && name === 'write' ? halved(args) : args);
    if (renameFirst === true && name === 'open') renameNow(String(args[0]));
    return result;
  };

  private async killInTheMidst(name: string, original: Call, self: unknown, args: unknown[]): Promise<void> {
    if (name === 'write') await original.apply(self, halved(args));
    else if (name === 'writeFile' || name === 'appendFile') {
      const at = typeof self === 'object' && self !== null && 'fd' in self ? 0 : 1;
      await original.apply(self, args.with(at, half(args[at])));
    } else if (name === 'rm') removeHalf(String(args[0]));
    process.kill(process.pid, 'SIGKILL');
  }
}

/** Whether a disk in such a state refuses an operation. */
function refuses(code: FailureCode, name: string): boolean {
  return (code !== 'ENOSPC' && code !== 'EFBIG') || NEEDS_ROOM.has(name);
}

/** Arguments of `write(buffer, offset, length)` or `write(text)` for half of it, at least a byte. */
function halved(args: unknown[]): unknown[] {
  const [data, offset = 0, length] = args as [unknown, number?, number?];
  if (!ArrayBuffer.isView(data)) return [half(data), ...args.slice(1)];
  const whole = length ?? data.byteLength - offset;
  return [data, offset, Math.ceil(whole / 2), ...args.slice(3)];
}

function half(data: unknown): unknown {
  if (typeof data === 'string') return data.slice(0, Math.ceil(data.length / 2));
  const bytes = data as Uint8Array;
  return bytes.subarray(0, Math.ceil(bytes.length / 2));
}

/** As far as a removal comes in half of its time. */
function removeHalf(path: string): void {
  if (!fs.statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const names = fs.readdirSync(path);
  for (const name of names.slice(0, Math.ceil(names.length / 2))) {
    rmSync(join(path, name), { recursive: true, force: true });
  }
}

function renameNow(path: string): void {
  const [, name] = TEMPORARY.exec(basename(path)) ?? [];
  if (name !== undefined) fs.renameSync(path, join(dirname(path), name));
}

function setClockBack(milliseconds: number): void {
  const { now } = Date;
  Date.now = () => now() - milliseconds;
  const Real = Date;
  globalThis.Date = new Proxy(Real, {
    construct: (_, args: []) => (args.length === 0 ? new Real(now() - milliseconds) : new Real(...args)),
  });
}

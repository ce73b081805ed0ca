/** The most memory that this process has held, resident. */
import { readFileSync } from 'node:fs';

/**
 * In bytes: VmHWM on Linux, which begins anew with a program; elsewhere `getrusage`'s, which a child may take over from its parent.
 */
export function peakMemory() {
  try {
    const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    if (line !== null) return Number(line[1]) * 1024;
  } catch {
    // No Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}

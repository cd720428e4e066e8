/** The memory of this process, and its place in the kernel's order of whom to end first. */
import { readFileSync, writeFileSync } from 'node:fs';

export interface ProcessMemory {
  readonly residentBytes: number;
  /** The most it has been since the process started. */
  readonly peakBytes: number;
}

const OOM_SCORE_FILE = '/proc/self/oom_score_adj';
/** Half of all memory: a runner goes before whatever takes no more than that much beyond it. */
const OOM_SCORE = 500;

export function ownMemory(): ProcessMemory {
  const residentBytes = process.memoryUsage.rss();
  return { residentBytes, peakBytes: Math.max(residentBytes, peakBytes()) };
}

/** When memory runs out, the kernel shall end a runner, which is started again, and not the agent or its neighbours. */
export function goFirstWhenMemoryRunsOut(): void {
  try {
    const now = Number(readFileSync(OOM_SCORE_FILE, 'utf8'));
    if (now < OOM_SCORE) writeFileSync(OOM_SCORE_FILE, String(OOM_SCORE));
  } catch {
    // Not Linux, or not allowed here.
  }
}

/** `getrusage` remembers the parent's peak across `exec`; the kernel's status file does not. */
function peakBytes(): number {
  try {
    return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

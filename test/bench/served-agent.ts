/** A hub and one agent as processes, the agent serving a small model: what the benches of the agent are measured on. */
import { readFile } from 'node:fs/promises';
import { SmallFleet } from '../support/small-fleet.ts';

export const device = 'bench-1';

/** Brings version 1.0.0 to the device and returns once it is committed. */
export async function startServedAgent(): Promise<SmallFleet> {
  const small = await SmallFleet.start([device]);
  const version = await small.publishNext();
  await small.ended(await small.rollOut(version, { trialSeconds: 0, soakMs: 0 }));
  return small;
}

/** Resident memory of a process in bytes (Linux: VmRSS of /proc). */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/**
 * A hub and one agent as processes, run as they are installed, the agent serving a small model: what the benches of the
 * agent are measured on.
 */
import { readFile } from 'node:fs/promises';
import { installPackage } from '../support/installed-package.ts';
import { SmallFleet } from '../support/small-fleet.ts';

export const device = 'bench-1';

export interface ServedAgent {
  readonly small: SmallFleet;
  stop(): Promise<void>;
}

/** Brings version 1.0.0 to the device and returns once it is committed. */
export async function startServedAgent(): Promise<ServedAgent> {
  const installed = await installPackage();
  const small = await SmallFleet.start([device], { bins: installed.bins });
  const version = await small.publishNext();
  await small.ended(await small.rollOut(version, { trialSeconds: 0, soakMs: 0 }));
  const stop = async () => {
    await small.stop();
    await installed.remove();
  };
  return { small, stop };
}

/** Bytes of a process in main memory, by the names Linux gives them in `/proc/PID/status`. */
export interface ResidentMemory {
  readonly VmRSS: number;
  /** Part of VmRSS that is this process's own; the rest are files it shares with others, most of it Node itself. */
  readonly RssAnon: number;
  /** Most VmRSS has ever been. */
  readonly VmHWM: number;
}

export async function residentMemory(pid: number): Promise<ResidentMemory> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const bytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) * 1024;
  return { VmRSS: bytes('VmRSS'), RssAnon: bytes('RssAnon'), VmHWM: bytes('VmHWM') };
}

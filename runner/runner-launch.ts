/**
 * How a runner's process is started: with the environment it may see, with Node's memory settings for a small process,
 * and below a hard limit of memory that the kernel keeps. An allocation past the limit fails inside the runner, which
 * says so and lives on; nothing else on the machine is touched.
 */
import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { limits } from '../shared/base/limits.ts';
import { runnerEnvironment } from './runner-environment.ts';

export interface RunnerLaunch {
  readonly execPath: string;
  readonly execArgv: string[];
  readonly env: NodeJS.ProcessEnv;
}

const nodeFlags = [
  '--max-semi-space-size=2',
  '--max-old-space-size=512',
  '--disable-warning=ExperimentalWarning',
];
const MIB = 1024 * 1024;
const SHELL = '/bin/sh';
/** Sets the limit (KiB) and becomes the runner: same process, same id. A stricter limit that is there already stays. */
const BELOW_LIMIT = 'ulimit -d "$1" 2>/dev/null || :; shift; exec "$@"';

export interface RunnerNeeds {
  readonly provider: string;
  readonly threads: number;
  readonly memoryBytesMax: number;
}

/** What `fork` is told for a runner that may take `memoryBytesMax` of memory. */
export function runnerLaunch({ provider, threads, memoryBytesMax }: RunnerNeeds): RunnerLaunch {
  const env = runnerEnvironment(process.env, provider);
  const node = process.execPath;
  if (!keepsLimit(provider)) return { execPath: node, execArgv: nodeFlags, env };
  const reservedBytes = limits.runnerReservedBytes + threads * limits.threadStackBytes;
  const limitKib = Math.ceil((memoryBytesMax + reservedBytes) / 1024);
  return {
    execPath: SHELL,
    execArgv: ['-c', BELOW_LIMIT, 'sh', String(limitKib), node, ...nodeFlags],
    env,
  };
}

/** Half of the memory this process may use: of the machine's, or of its container's. */
export function runnerMemoryBytesDefault(): number {
  const machine = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return Math.max(limits.runnerMemoryBytesMin, Math.floor(machine / 2 / MIB) * MIB);
}

/**
 * Linux counts what a process can write to (RLIMIT_DATA) and refuses more; other systems count nothing of use. Drivers of
 * accelerators map memory of their devices in the same way, which is no memory of the machine.
 */
function keepsLimit(provider: string): boolean {
  return process.platform === 'linux' && provider === 'cpu' && existsSync(SHELL);
}

/** What this machine is: sent at enrolment and with each reported state. */
import { arch, availableParallelism, hostname, release, totalmem, type } from 'node:os';
import type { DeviceFacts } from '../../shared/protocol/enrolment.ts';

export interface DeviceFactsOptions {
  readonly agentVersion: string;
  /** Execution providers the runner offers. */
  readonly providers: readonly string[];
}

export function readDeviceFacts({ agentVersion, providers }: DeviceFactsOptions): DeviceFacts {
  return {
    agentVersion,
    os: `${type()} ${release()}`.slice(0, 64),
    arch: arch(),
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    hostname: hostname().slice(0, 256),
    providers: [...providers],
  };
}

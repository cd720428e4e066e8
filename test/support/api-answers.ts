/** Whole answers of the hub for tests of what reads them, checked by their schemas. */
import { Device } from '../../shared/api/devices.ts';
import { Rollout } from '../../shared/api/rollouts.ts';
import { parser } from '../../shared/base/parse.ts';

const checkedRollout = parser(Rollout, 'rollout of a test');
const checkedDevice = parser(Device, 'device of a test');

export function rolloutAnswer(fields: Partial<Rollout> = {}): Rollout {
  return checkedRollout({
    id: 'r-0011223344aa',
    model: 'air-quality',
    version: '2.0.0',
    status: 'running',
    phase: 1,
    phases: 1,
    createdAt: 0,
    createdBy: 'token:olga',
    plan: {
      model: 'air-quality',
      version: '2.0.0',
      phases: [{ percent: 100 }],
      ...{ soakMs: 0, silenceMs: 60_000, deviceTimeoutMs: 60_000, phaseTimeoutMs: 60_000 },
      gates: { maxFailures: 0, maxSilent: 0, minRequests: 1, drift: 'ignore', maxDriftShare: 0 },
      trial: { seconds: 1, minRequests: 0, maxErrorRate: 0, maxCrashes: 0 },
      onFailure: 'pause',
    },
    target: 1,
    phaseList: [{ size: '100 %', devices: 1, state: 'current' }],
    counts: {},
    devices: [],
    verdicts: [],
    ...fields,
  });
}

export function deviceAnswer(fields: Partial<Device> = {}): Device {
  return checkedDevice({
    id: 'bench-1',
    group: 'lab',
    connected: true,
    enrolledAt: 0,
    certificate: { serial: '01', sha256: 'a'.repeat(64), expiresAt: 0 },
    facts: {
      ...{ agentVersion: '0.1.0', os: 'linux', arch: 'x64', hostname: 'bench' },
      ...{ cpus: 2, memoryBytes: 1, providers: ['cpu'] },
    },
    models: [],
    conditions: [],
    events: [],
    ...fields,
  });
}

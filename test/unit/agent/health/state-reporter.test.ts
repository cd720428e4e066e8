import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { StateReporter } from '../../../../agent/health/state-reporter.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { parseReportedState, type ReportedState } from '../../../../shared/protocol/reported-state.ts';

const folder = '/srv/acme secret/agent of ann';

const state: Omit<ReportedState, 'conditions'> = {
  v: 2,
  at: '2026-01-01T00:00:00.000Z',
  sequence: 1,
  facts: {
    agentVersion: '1.0.0',
    os: 'linux',
    arch: 'x64',
    cpus: 1,
    memoryBytes: 1,
    hostname: 'h',
    providers: ['cpu'],
  },
  freeBytes: 1,
  models: [],
};

/** The reported state as the hub gets it. */
async function sent(conditions: ReportedState['conditions']): Promise<ReportedState> {
  const payloads: Uint8Array[] = [];
  const reporter = new StateReporter({
    link: () => ({
      isConnected: true,
      publish: async (_leaf: string, payload: Uint8Array) => void payloads.push(payload),
    }),
    compose: async () => ({ ...state, conditions }),
    heartbeatMs: 1_000,
    clock: systemClock,
    random: Math.random,
    logger: pino({ level: 'silent' }),
  });
  await reporter.send();
  return parseReportedState(payloads[0]!);
}

const condition = (text: string, code = 'update_waits') => ({ code, severity: 'warning', text }) as const;

describe('StateReporter', () => {
  it('tells the hub what is wrong, not where on its disk', async () => {
    const { conditions } = await sent([
      condition(`disk_error: ENOENT: no such file or directory, open '${folder}/trust/root.json'`),
      condition(`disk_full: Cannot write "${folder}/state/slots.json": the disk is full.`),
      condition(`Updates are held by the file "${folder}/hold".`, 'updates_held'),
    ]);
    expect(conditions.map(({ text }) => text)).toEqual([
      "disk_error: ENOENT: no such file or directory, open 'root.json'",
      'disk_full: Cannot write "slots.json": the disk is full.',
      'Updates are held by the file "hold".',
    ]);
  });

  it('tells no folder either where a text had to be cut', async () => {
    // More than fits into one message, so that each text is cut in the middle of a path.
    const many = Array.from({ length: 64 }, (_, n) => {
      const text = `${'x'.repeat(20 + n * 2)} open '${folder}/${'deep/'.repeat(380 - n)}root.json'`;
      return condition(text);
    });
    expect(Buffer.byteLength(JSON.stringify(many))).toBeGreaterThan(limits.controlMessageBytesMax);
    expect(JSON.stringify(await sent(many))).not.toMatch(/acme|secret|ann|deep/);
  });
});

import { expect, it } from 'vitest';
import { deviceText, parseDevice } from '../../../../cli/commands/device-answers.ts';
import { StreamPrinter } from '../../../../cli/printer.ts';

it('deviceText() says what an update waits for', () => {
  const at = '2026-11-27T12:00:00.000Z';
  const device = parseDevice({
    id: 'bench-1',
    group: 'lab',
    connected: true,
    enrolledAt: 0,
    certificate: { sha256: 'a'.repeat(64), expiresAt: 0 },
    facts: {
      ...{ agentVersion: '0.1.0', os: 'linux', osVersion: '6', arch: 'x64', hostname: 'bench' },
      ...{ cpus: 2, memoryBytes: 1, providers: ['cpu'] },
    },
    models: [
      {
        model: 'iris',
        previous: [],
        quarantined: [],
        update: {
          ...{ version: '1.1.0', state: 'downloading', since: at },
          waiting: { reason: 'in-line', text: 'the hub serves other devices first', since: at },
        },
      },
    ],
    conditions: [],
    events: [],
  });
  const printer = new StreamPrinter({ json: false, out: () => undefined, err: () => undefined });
  const lines = deviceText(printer, device, 0);
  expect(lines).toContainEqual(
    expect.stringMatching(/^waiting {6}\(in-line\) since 2026-11-27 .*: the hub serves other devices first$/),
  );
});

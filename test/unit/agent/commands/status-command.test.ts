import { describe, expect, it } from 'vitest';
import { statusLines } from '../../../../agent/commands/status-command.ts';

const version = (name: string) => ({ version: name, manifest: 'a'.repeat(64), release: 1 });

describe('statusLines()', () => {
  it('does not offer as a version to go back to what the device has gone back from', () => {
    const status = {
      device: 'bench-1',
      group: 'lab',
      hub: 'https://hub',
      running: true,
      connected: true,
      url: 'http://127.0.0.1:7470',
      outbox: { size: 0 },
      reported: {
        facts: { agentVersion: '0.1.0' },
        sequence: 3,
        freeBytes: 0,
        conditions: [],
        models: [
          {
            model: 'iris',
            active: version('1.0.0'),
            previous: [
              { ...version('1.2.0'), left: true },
              version('0.9.0'),
              { ...version('1.4.0'), left: true },
            ],
            quarantined: [],
          },
        ],
      },
    } as unknown as Parameters<typeof statusLines>[0];
    expect(statusLines(status).slice(-2)).toEqual([
      '  iris 1.0.0, kept before: 0.9.0',
      '    gone back from: 1.2.0, 1.4.0',
    ]);
  });

  it('says what an update waits for', () => {
    const waiting = {
      reason: 'in-line',
      text: 'the hub serves other devices first',
      since: '2026-11-27T12:00:00.000Z',
    };
    const status = {
      running: false,
      device: 'bench-1',
      group: 'lab',
      hub: 'https://hub',
      reported: {
        conditions: [],
        models: [
          {
            model: 'iris',
            previous: [],
            quarantined: [],
            update: { version: '1.1.0', state: 'downloading', since: '2026-11-27T11:59:00.000Z', waiting },
          },
        ],
      },
    } as unknown as Parameters<typeof statusLines>[0];
    expect(statusLines(status).at(-1)).toBe(
      '    waiting (in-line) since 2026-11-27T12:00:00.000Z: the hub serves other devices first',
    );
  });
});

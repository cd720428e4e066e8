import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { LinkWatch } from '../../../../agent/connection/link-watch.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const command = (addresses = ['10.0.0.1', '10.0.0.2']) =>
  Buffer.from(
    JSON.stringify({ v: 1, command: 'identity-shared', at: '2026-01-01T00:00:00.000Z', addresses }),
  );

describe('LinkWatch', () => {
  let clock: ManualClock;
  let texts: Record<string, string | undefined>;
  let watch: LinkWatch;
  let lines: string[];
  beforeEach(() => {
    lines = [];
    clock = new ManualClock(Date.UTC(2026, 0, 1));
    texts = {};
    watch = new LinkWatch({
      tell: (code, text) => {
        texts[code] = text;
      },
      clock,
      logger: pino(
        {},
        { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) },
      ),
    });
  });

  it('says since when there is no connection, why, and that there never was one', () => {
    clock.advance(60_000);
    watch.failed(new Error('connect ECONNREFUSED 127.0.0.1:8883'));
    expect(texts['not_connected']).toBe(
      'No connection to the hub since the start at 2026-01-01T00:00:00.000Z, not once: connect ECONNREFUSED 127.0.0.1:8883.',
    );
    watch.connected();
    expect(texts['not_connected']).toBeUndefined();
    clock.advance(60_000);
    watch.failed(new Error('closed'));
    clock.advance(60_000);
    watch.failed(new Error('no route'));
    expect(texts['not_connected']).toBe('No connection to the hub since 2026-01-01T00:02:00.000Z: no route.');
  });

  it('names a refusal, which a removed device gets, with the way out', () => {
    watch.failed(Object.assign(new Error('Connection refused: Not authorized'), { code: 5 }));
    expect(texts['not_connected']).toMatch(/refuses this device: an operator removed it.*enrol --force/);
  });

  it('says that another agent has this identity, through reconnects, until it was not seen for long', () => {
    watch.receive(command());
    watch.failed(new Error('closed'));
    watch.connected();
    expect(watch.isShared).toBe(true);
    expect(texts['identity_shared']).toMatch(/10\.0\.0\.1, 10\.0\.0\.2.*data folder was copied/);
    clock.advance(limits.identitySharedMs);
    watch.note();
    expect(watch.isShared).toBe(false);
    expect(texts['identity_shared']).toBeUndefined();
  });

  it('takes a command it does not understand as noise', () => {
    watch.receive(Buffer.from('{"v":1,"command":"explode"}'));
    watch.receive(Buffer.from('garbage'));
    watch.receive(command(Array.from({ length: 100 }, () => 'x')));
    expect(watch.isShared).toBe(false);
  });

  it.each([
    ['that it does not understand', 'explode', 'a command of the hub could not be read'],
    ['that it is busy', 'busy', 'the hub cannot store messages at present; this device keeps what it sent'],
  ])('says once for as long as it goes on what the hub says again and again: %s', (_what, name, line) => {
    const again = () => watch.receive(Buffer.from(JSON.stringify({ v: 1, command: name })));
    for (let n = 0; n < 100; n += 1) {
      again();
      clock.advance(5_000);
    }
    expect(lines).toEqual([line]);
    clock.advance(60_000);
    again();
    expect(lines).toEqual([line, line]);
  });

  it('knows since when the hub is busy, until it has not said so for a while or the connection ends', () => {
    const busy = Buffer.from(JSON.stringify({ v: 1, command: 'busy' }));
    const begin = clock.now();
    expect(watch.busySince).toBeUndefined();
    for (let n = 0; n < 10; n += 1) {
      watch.receive(busy);
      clock.advance(5_000);
      expect(watch.busySince).toBe(begin);
    }
    clock.advance(10_000);
    expect(watch.busySince).toBeUndefined();
    watch.receive(busy);
    expect(watch.busySince).toBe(clock.now());
    watch.failed(new Error('closed'));
    watch.connected();
    expect(watch.busySince).toBeUndefined();
  });
});

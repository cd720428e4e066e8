import { setImmediate as nextTurn } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AuditEvent } from '../../../../hub/audit/audit-event.ts';
import { StorageWatch } from '../../../../hub/data-folder/storage-watch.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const failure = (code: string) => Object.assign(new Error(code), { code });

function watched(tryWrite: () => Promise<void>) {
  const clock = new ManualClock();
  const recorded: AuditEvent[] = [];
  const audit = { isBroken: false };
  const watch = new StorageWatch({
    tryWrite,
    findDamage: async () => [],
    audit: {
      append: async (event) => {
        if (audit.isBroken) throw failure('SQLITE_FULL');
        recorded.push(event);
      },
    },
    clock,
    logger: pino({ level: 'silent' }),
  });
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  void watch.run(stopping.signal);
  /** Lets time pass, and what was waiting for it happen. */
  const pass = async (ms: number) => {
    clock.advance(ms);
    for (let turn = 0; turn < 5; turn += 1) await nextTurn();
  };
  return { pass, watch, recorded, audit };
}

describe('StorageWatch', () => {
  it('tries one write for any number of requests, and none again before its time', async () => {
    let writes = 0;
    const { pass, watch } = watched(async () => {
      writes += 1;
    });
    await Promise.all([watch.requireSound(), watch.requireSound(), watch.requireSound()]);
    await watch.requireSound();
    expect(writes).toBe(1);
    await pass(limits.storageSoundMs + 1);
    await watch.requireSound();
    expect(writes).toBe(2);
  });

  it('answers with the last known state when the write is slow', async () => {
    const { pass, watch } = watched(() => new Promise(() => undefined));
    const answer = watch.requireSound();
    await pass(limits.readyWaitMs);
    await answer;
  });

  it('treats no other error as a failure of storage', async () => {
    const { watch } = watched(async () => undefined);
    for (const error of [new TypeError('x'), failure('ECONNRESET'), undefined, 'x']) watch.see(error);
    await watch.requireSound();
    expect([...watch.figures()].every(({ failures, stands }) => failures === 0 && !stands)).toBe(true);
  });

  it('keeps a fault until the audit log has recorded it, once', async () => {
    let isFull = true;
    const { pass, watch, recorded, audit } = watched(async () => {
      if (isFull) throw failure('ENOSPC');
    });
    audit.isBroken = true;
    watch.see(failure('SQLITE_FULL'));
    await pass(limits.storageTriedMs);
    await expect(watch.requireSound()).rejects.toMatchObject({ code: 'disk_full' });
    isFull = false;
    await pass(limits.storageTriedMs);
    await expect(watch.requireSound()).rejects.toMatchObject({ code: 'disk_full' });
    audit.isBroken = false;
    await pass(limits.storageTriedMs);
    await watch.requireSound();
    await pass(10 * limits.storageTriedMs);
    expect(recorded).toMatchObject([
      {
        action: 'storage.recovered',
        details: {
          faults: [{ code: 'disk_full', since: expect.stringMatching(/Z$/), failures: expect.any(Number) }],
          until: expect.stringMatching(/Z$/),
        },
      },
    ]);
  });

  it('does not clear damage after a write that succeeds', async () => {
    const { pass, watch, recorded } = watched(async () => undefined);
    watch.see(failure('SQLITE_CORRUPT_INDEX'));
    watch.see(failure('SQLITE_CORRUPT'));
    watch.see(failure('SQLITE_BUSY'));
    await expect(watch.requireSound()).rejects.toMatchObject({ code: 'database_damaged' });
    await pass(3 * limits.storageTriedMs);
    await expect(watch.requireSound()).rejects.toMatchObject({ code: 'database_damaged' });
    expect(recorded.map(({ action }) => action)).toEqual(['storage.damaged', 'storage.recovered']);
  });
});

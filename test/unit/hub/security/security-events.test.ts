import { describe, expect, it, onTestFinished } from 'vitest';
import type { AuditEvent } from '../../../../hub/audit/audit-event.ts';
import type { Refusal } from '../../../../hub/security/refusal.ts';
import { SecurityEvents } from '../../../../hub/security/security-events.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { loggedLines } from '../../../support/logged.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const forged = (address = '192.0.2.7'): Refusal => ({
  kind: 'join_token',
  address,
  reason: 'the hub does not know it',
});

function world() {
  const clock = new ManualClock();
  const { logger, lines } = loggedLines();
  const appended: AuditEvent[][] = [];
  const disk = { isFull: false };
  const append = async (events: readonly AuditEvent[]) => {
    if (disk.isFull) throw new Error('disk full');
    appended.push([...events]);
  };
  const security = new SecurityEvents({ append, clock, logger });
  const stopping = new AbortController();
  const ended = security.run(stopping.signal);
  const stop = async () => {
    stopping.abort();
    await ended;
  };
  onTestFinished(stop);
  return { clock, lines, appended, disk, security, stop, rows: () => appended.flat() };
}

/** Lets what waits for nothing but its turn happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('security events', () => {
  it('come into the audit log at once, and those that follow in one row', async () => {
    const { security, rows, clock, stop } = world();
    security.refused(forged());
    await expect.poll(rows).toMatchObject([
      {
        actor: 'anonymous',
        address: '192.0.2.7',
        action: 'security.join_token',
        target: 'enrolment',
        details: { count: 1, reasons: ['the hub does not know it'] },
      },
    ]);
    for (let n = 0; n < 1_499; n += 1) security.refused(forged());
    for (const ms of [1_000, 59_000]) {
      await expect.poll(() => clock.sleepers).toBe(1);
      clock.advance(ms);
    }
    await expect.poll(rows).toHaveLength(2);
    expect(rows()[1]).toMatchObject({ details: { count: 1_499 } });
    await stop();
  });

  it('write nothing while nothing is refused, and at most once a second while much is', async () => {
    const { security, appended, clock } = world();
    await settle();
    expect(clock.sleepers).toBe(0);
    for (let n = 0; n < 30; n += 1) security.refused(forged(`192.0.2.${n}`));
    await expect.poll(() => appended.length).toBe(1);
    for (let n = 30; n < 60; n += 1) security.refused(forged(`192.0.2.${n}`));
    await settle();
    expect(appended).toHaveLength(1);
    await expect.poll(() => clock.sleepers).toBe(1);
    clock.advance(1_000);
    await expect.poll(() => appended.length).toBe(2);
    expect(appended.map((events) => events.length)).toEqual([30, 30]);
  });

  it('list a device while strangers of ten thousand addresses are refused', async () => {
    const { security, rows, lines } = world();
    for (let n = 0; n < 10_000; n += 1) security.refused(forged(`10.1.${n >> 8}.${n & 255}`));
    security.refused({
      kind: 'subscribe',
      actor: 'device:quiet',
      address: '10.9.9.9',
      reason: 'not for this device',
    });
    await security.close();
    expect(rows()).toContainEqual(
      expect.objectContaining({
        actor: 'device:quiet',
        address: '10.9.9.9',
        action: 'security.subscribe',
        target: 'broker',
      }),
    );
    expect(rows().length).toBeLessThanOrEqual(limits.securityRowsAtOnceMax + 2);
    expect(lines.filter(({ actor }) => actor === 'device:quiet')).toHaveLength(1);
    expect(lines.length).toBeLessThan(70);
    expect(security.counts().get('join_token')).toBe(10_000);
  });

  it('of one network of IPv6 are one group', async () => {
    const { security, rows } = world();
    for (let n = 1; n <= 500; n += 1) security.refused(forged(`2001:db8:1:2::${n.toString(16)}`));
    await security.close();
    expect(rows()).toMatchObject([{ address: '2001:db8:1:2::/64', details: { count: 500 } }]);
  });

  it('are counted while the database takes nothing, and written when it does', async () => {
    const { security, rows, clock, disk, lines } = world();
    disk.isFull = true;
    security.refused(forged());
    await expect.poll(() => clock.sleepers).toBe(1);
    for (let n = 0; n < 99; n += 1) security.refused(forged());
    for (let n = 0; n < 20; n += 1) {
      clock.advance(limits.storageTriedMs);
      await expect.poll(() => clock.sleepers).toBe(1);
    }
    expect(lines.filter(({ level }) => level === 50).length).toBeLessThanOrEqual(2);
    disk.isFull = false;
    clock.advance(limits.storageTriedMs);
    await expect.poll(rows).toMatchObject([{ details: { count: 1 } }]);
    await security.close();
    expect(rows()).toMatchObject([{ details: { count: 1 } }, { details: { count: 99 } }]);
  });

  it('that no database takes at the end are told as lost, with their number', async () => {
    const { security, disk, lines } = world();
    disk.isFull = true;
    for (let n = 0; n < 7; n += 1) security.refused(forged());
    await security.close();
    expect(lines.at(-1)).toMatchObject({ level: 50, lost: 7 });
  });

  it('cut what is too long of a reason', async () => {
    const { security, rows } = world();
    security.refused({ kind: 'subscribe', actor: 'device:a', reason: 'x'.repeat(10_000) });
    await security.close();
    expect(JSON.stringify(rows()).length).toBeLessThan(1_000);
  });
});

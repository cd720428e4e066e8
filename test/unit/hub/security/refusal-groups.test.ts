import { describe, expect, it } from 'vitest';
import type { Refusal } from '../../../../hub/security/refusal.ts';
import { RefusalGroups } from '../../../../hub/security/refusal-groups.ts';
import { limits } from '../../../../shared/base/limits.ts';

const refusal = (more: Partial<Refusal> = {}): Refusal => ({
  kind: 'publish',
  actor: 'device:a',
  reason: 'QoS 2',
  ...more,
});
const HOUR = 3_600_000;

describe('refusals that belong together', () => {
  it('are one row, with how many there were, when, and why', () => {
    const groups = new RefusalGroups();
    for (let n = 0; n < 10_000; n += 1) groups.add(refusal({ reason: `reason ${n % 5}` }), 1_000 + n, n);
    expect(groups.take(10_000)).toEqual([
      {
        kind: 'publish',
        actor: 'device:a',
        address: undefined,
        count: 10_000,
        first: 1_000,
        last: 10_999,
        reasons: ['reason 0', 'reason 1', 'reason 2'],
        among: [],
      },
    ]);
    expect(groups.nextDueAt()).toBe(Number.POSITIVE_INFINITY);
  });

  it('are told at once the first time, then ever more rarely, and not lost in between', () => {
    const groups = new RefusalGroups();
    const rows: number[] = [];
    let told = 0;
    for (let now = 0; now < 24 * HOUR; now += 1_000) {
      groups.add(refusal(), now, now);
      for (const { count } of groups.take(now)) {
        rows.push(now);
        told += count;
      }
    }
    expect(rows.slice(0, 4)).toEqual([0, 60_000, 180_000, 420_000]);
    expect(rows.length).toBeLessThan(32);
    expect(rows.filter((at) => at > 12 * HOUR)).toHaveLength(12);
    for (const { count } of groups.take(24 * HOUR, { isLast: true })) told += count;
    expect(told).toBe(24 * 3_600);
  });

  it('are told at once again of a subject that was quiet for long', () => {
    const groups = new RefusalGroups();
    for (let now = 0; now < 6 * HOUR; now += 60_000) {
      groups.add(refusal(), now, now);
      groups.take(now);
    }
    const later = 30 * HOUR;
    expect(groups.add(refusal(), later, later)).toBeLessThanOrEqual(later);
    expect(groups.take(later)).toHaveLength(1);
    expect(groups.add(refusal(), later + 1, later + 1)).toBe(later + 60_000);
  });

  it('of a quiet subject are told beside a loud one', () => {
    const groups = new RefusalGroups();
    for (let now = 0; now < HOUR; now += 100) {
      groups.add(refusal(), now, now);
      groups.take(now);
    }
    groups.add(refusal({ actor: 'device:quiet' }), HOUR, HOUR);
    expect(groups.take(HOUR)).toContainEqual(expect.objectContaining({ actor: 'device:quiet', count: 1 }));
  });

  it('of too many subjects count together, with some of them named; their rows are bounded, their number is exact', () => {
    const groups = new RefusalGroups();
    const subjects = 100_000;
    for (let n = 0; n < subjects; n += 1) {
      groups.add({ kind: 'join_token', address: `10.0.${n >> 8}.${n & 255}`, reason: 'unknown' }, n, 0);
    }
    expect(groups.size).toBe(limits.securityGroupsMax);
    const sums = groups.take(0);
    expect(sums).toHaveLength(limits.securityRowsAtOnceMax + 1);
    expect(sums.reduce((sum, { count }) => sum + count, 0)).toBe(subjects);
    const others = sums.at(-1)!;
    expect(others).toMatchObject({
      kind: 'join_token',
      actor: undefined,
      address: undefined,
      first: limits.securityRowsAtOnceMax,
      last: subjects - 1,
    });
    expect(others.among).toHaveLength(3);
  });

  it('of one who hides behind thousands of others name him, whenever he tries', () => {
    for (const [first, every] of [
      [0, 1],
      [2_000, 20],
      [9_800, 1],
    ] as const) {
      const groups = new RefusalGroups();
      for (let n = 0; n < limits.securityGroupsMax; n += 1)
        groups.add({ kind: 'api_token', address: `early-${n}`, reason: 'no token' }, 0, 0);
      for (let n = 0; n < 10_000; n += 1) {
        const isHe = n >= first && n < first + 200 * every && (n - first) % every === 0;
        groups.add({ kind: 'api_token', address: isHe ? 'he' : `decoy-${n}`, reason: 'no token' }, n, 0);
      }
      expect(groups.take(0).at(-1)?.among).toContain('he');
    }
  });

  it('make a bounded number of rows a day, whatever comes', () => {
    const groups = new RefusalGroups();
    let rows = 0;
    let subject = 0;
    for (let now = 0; now < 24 * HOUR; now += 10_000) {
      for (let n = 0; n < 50; n += 1)
        groups.add({ kind: 'api_token', address: `a-${subject++}`, reason: 'no token' }, now, now);
      rows += groups.take(now).length;
    }
    const own = limits.securityRowsAtOnceMax + 24 * limits.securityRowsPerHourMax;
    expect(rows).toBeGreaterThan(limits.securityRowsAtOnceMax);
    expect(rows).toBeLessThan(own + 40);
    expect(groups.size).toBeLessThanOrEqual(limits.securityGroupsMax);
  });

  it('are forgotten when they are over, so that new subjects fit', () => {
    const groups = new RefusalGroups();
    for (let n = 0; n < limits.securityGroupsMax; n += 1) groups.add(refusal({ actor: `device:${n}` }), 0, 0);
    groups.take(0);
    groups.add(refusal({ actor: 'device:new' }), 2 * HOUR, 2 * HOUR);
    expect(groups.size).toBe(1);
    expect(groups.take(2 * HOUR)).toMatchObject([{ actor: 'device:new', count: 1 }]);
  });
});

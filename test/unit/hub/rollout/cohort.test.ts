import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { orderCohort } from '../../../../hub/rollout/cohort.ts';

const ids = fc.uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,12}$/), { minLength: 1, maxLength: 200 });
const rollout = fc.stringMatching(/^r-[0-9a-f]{8}$/);

describe('orderCohort()', () => {
  it('does not depend on the order the devices come in', () => {
    fc.assert(
      fc.property(rollout, ids, (id, devices) => {
        expect(orderCohort(id, [...devices].reverse())).toEqual(orderCohort(id, devices));
      }),
    );
  });

  it('gives another order to another rollout, so that no device is the canary for ever', () => {
    const devices = Array.from({ length: 100 }, (_, n) => `device-${n}`);
    const first = new Set(
      Array.from({ length: 50 }, (_, n) => orderCohort(`r-0000000${n}`, devices)[0]!.deviceId),
    );
    expect(first.size).toBeGreaterThan(25);
  });

  it('keeps the order it gave last year', () => {
    const members = orderCohort('r-00000001', ['a', 'b', 'c', 'd']);
    expect(members.map(({ deviceId, ordinal }) => [deviceId, ordinal])).toEqual([
      ['a', 0],
      ['b', 1],
      ['d', 2],
      ['c', 3],
    ]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { phaseMembers, phaseOfEach } from '../../../../hub/rollout/phase-members.ts';
import { phaseSizesNow } from '../../../../hub/rollout/rollout-plan.ts';
import { rolloutDevice } from '../../../support/rollout-device-row.ts';

const plan = { phases: [{ devices: 1 }, { percent: 50 }, { percent: 100 }] };
const ids = (devices: readonly { deviceId: string }[]) => devices.map((device) => device.deviceId);

describe('phaseMembers()', () => {
  it('are the first of the order, as many as the phase has places', () => {
    const devices = Array.from({ length: 10 }, (_, n) => rolloutDevice(n));
    const counts = [0, 1, 2].map((phase) => ids(phaseMembers({ plan, phase, devices })));
    expect(counts).toEqual([['d0'], ['d0', 'd1', 'd2', 'd3', 'd4'], ids(devices)]);
  });

  it('do not count removed devices: the next takes the place, and shares are of the remaining ones', () => {
    const devices = Array.from({ length: 10 }, (_, n) => rolloutDevice(n, { removedAt: n < 4 ? 1 : null }));
    expect(ids(phaseMembers({ plan, phase: 0, devices }))).toEqual(['d4']);
    expect(ids(phaseMembers({ plan, phase: 1, devices }))).toEqual(['d4', 'd5', 'd6']);
    expect(phaseOfEach({ plan, devices }).get('d5')).toBe(1);
    expect(phaseOfEach({ plan, devices }).has('d0')).toBe(false);
  });

  it('keep their place when others are removed and the phase becomes smaller', () => {
    const devices = Array.from({ length: 10 }, (_, n) =>
      rolloutDevice(n, { status: n < 5 ? 'trial' : 'pending', removedAt: n > 5 ? 1 : null }),
    );
    expect(ids(phaseMembers({ plan, phase: 1, devices }))).toEqual(['d0', 'd1', 'd2', 'd3', 'd4']);
  });

  it('are never more than the phase has places or carriers, and never a removed device', () => {
    const statuses = ['pending', 'withdrawn', 'trial', 'succeeded', 'rejected', 'blocked'] as const;
    const any = fc.record({ status: fc.constantFrom(...statuses), isRemoved: fc.boolean() });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 30 }), fc.integer({ min: 0, max: 2 }), (parts, phase) => {
        const devices = parts.map(({ status, isRemoved }, n) =>
          rolloutDevice(n, { status, removedAt: isRemoved ? 1 : null }),
        );
        const present = devices.filter((device) => device.removedAt === null);
        const taken = present.filter(({ status }) => status !== 'pending' && status !== 'withdrawn').length;
        const members = phaseMembers({ plan, phase, devices });
        const size = phaseSizesNow(plan, present.length)[phase]!;
        expect(members).toHaveLength(Math.min(present.length, Math.max(size, taken)));
        expect(members.filter((device) => device.removedAt !== null)).toEqual([]);
      }),
    );
  });
});

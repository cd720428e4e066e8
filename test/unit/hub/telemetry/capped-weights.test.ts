import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capWeights } from '../../../../hub/telemetry/capped-weights.ts';

describe('capWeights()', () => {
  it('caps one with far more than the others at the amount of the median device', () => {
    expect(capWeights([100, 120, 2 ** 40], 100)).toEqual({ cap: 120, withEvidence: 3, counted: 340 });
    expect(capWeights([10, 2 ** 40], 20)).toEqual({ cap: 10, withEvidence: 2, counted: 20 });
  });

  it('lets devices with next to nothing set no cap, and counts their amounts', () => {
    expect(capWeights([1, 1, 1, 1, 1, 1_000, 1_000, 1_000, 1_000], 100)).toEqual({
      cap: 1_000,
      withEvidence: 4,
      counted: 4_005,
    });
  });

  it('leaves a single device as it is', () => {
    expect(capWeights([7], 100)).toMatchObject({ withEvidence: 0, counted: 7 });
    expect(capWeights([700], 100)).toEqual({ cap: 700, withEvidence: 1, counted: 700 });
  });

  it('counts nothing where there is nothing', () => {
    expect(capWeights([], 100)).toMatchObject({ withEvidence: 0, counted: 0 });
    expect(capWeights([0, 0], 100)).toMatchObject({ withEvidence: 0, counted: 0 });
  });

  it('gives no device more than twice an equal share of those with evidence, nor what is wanted without evidence of all', () => {
    const amounts = fc.array(fc.integer({ min: 0, max: 2 ** 45 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(amounts, fc.integer({ min: 1, max: 10_000 }), (brought, wanted) => {
        const { cap, withEvidence, counted } = capWeights(brought, wanted);
        const part = Math.max(1, wanted / brought.length);
        expect(withEvidence).toBe(brought.filter((amount) => amount >= part).length);
        if (withEvidence === 0) expect(counted).toBeLessThan(wanted);
        else expect(cap / counted).toBeLessThanOrEqual(2 / withEvidence);
        // Whatever one of them claims, the others' weights stay what they are or become those of the next.
        if (withEvidence >= 2) {
          const largest = Math.max(...brought);
          const louder = brought.map((amount) => (amount === largest ? 2 ** 50 : amount));
          if (brought.filter((amount) => amount === largest).length === 1) {
            expect(capWeights(louder, wanted).cap).toBe(cap);
          }
        }
      }),
    );
  });
});

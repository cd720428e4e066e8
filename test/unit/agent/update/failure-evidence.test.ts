import { describe, expect, it } from 'vitest';
import { lnEvidence, provesTooManyFailures, trialLevel } from '../../../../agent/update/failure-evidence.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';

const LIMIT = 0.1;

/** ln E as scipy 1.17.1 gives it: `binom.logcdf(k, n+1, p0) - log(n+1) - log1p(-p0) - binom.logpmf(k, n, p0)`. */
const byScipy = [
  { requests: 15, failed: 15, limit: LIMIT, lnE: 31.87154818832873 },
  { requests: 3, failed: 3, limit: LIMIT, lnE: 5.6267214285197396 },
  { requests: 2, failed: 2, limit: LIMIT, lnE: 3.610917912644224 },
  { requests: 20, failed: 5, limit: LIMIT, lnE: 0.49076732469082573 },
  { requests: 100, failed: 25, limit: LIMIT, lnE: 7.111532877955326 },
  { requests: 342, failed: 329, limit: LIMIT, lnE: 700.1183372815365 },
  { requests: 1_000, failed: 120, limit: LIMIT, lnE: -1.4693372744402478 },
  { requests: 1_000_000, failed: 101_000, limit: LIMIT, lnE: -1.5442663298053017 },
  { requests: 50, failed: 3, limit: 0.01, lnE: 0.48109633880584424 },
];

describe('evidence of failures', () => {
  for (const { requests, failed, limit, lnE } of byScipy) {
    it(`is what scipy computes for ${failed} of ${requests} at a limit of ${limit}`, () => {
      expect(lnEvidence({ requests, failed }, limit)).toBeCloseTo(lnE, 6);
    });
  }

  it('needs no minimum of requests: three of three are proof, one of three and two of two are not', () => {
    const proves = (failed: number, requests: number) => provesTooManyFailures({ requests, failed }, LIMIT);
    expect([proves(1, 1), proves(2, 2), proves(1, 3), proves(3, 3), proves(15, 15)]).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });

  it('takes one failure for proof where none is allowed, and nothing where all are', () => {
    expect(provesTooManyFailures({ requests: 1_000, failed: 1 }, 0)).toBe(true);
    expect(provesTooManyFailures({ requests: 1_000, failed: 1_000 }, 1)).toBe(false);
    expect(provesTooManyFailures({ requests: 0, failed: 0 }, 0)).toBe(false);
  });

  it('costs little for as many requests as a trial can count', () => {
    const counts = {
      requests: limits.telemetryCountMax,
      failed: Math.ceil(0.1001 * limits.telemetryCountMax),
    };
    const started = performance.now();
    expect(provesTooManyFailures(counts, LIMIT)).toBe(true);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  /** Share of trials that are ended by chance when one looks after every request. */
  function falseAlarms(rate: number, { trials, requests }: { trials: number; requests: number }): number {
    const random = seededRandom(20_261_126);
    let ended = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      let failed = 0;
      for (let n = 1; n <= requests; n += 1) {
        if (random() >= rate) continue;
        failed += 1;
        if (!provesTooManyFailures({ requests: n, failed }, LIMIT)) continue;
        ended += 1;
        break;
      }
    }
    return ended / trials;
  }

  it('ends no more good trials than its level says, looked at after every request', () => {
    expect(falseAlarms(0.02, { trials: 4_000, requests: 1_000 })).toBeLessThanOrEqual(trialLevel);
  });

  it('holds its level at the limit itself', () => {
    expect(falseAlarms(LIMIT, { trials: 2_000, requests: 500 })).toBeLessThanOrEqual(trialLevel);
  });

  it('finds a version that fails half of its requests within a few dozen', () => {
    expect(falseAlarms(0.5, { trials: 500, requests: 60 })).toBe(1);
  });
});

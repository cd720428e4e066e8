import { describe, expect, it } from 'vitest';
import { clockSuspicion } from '../../../../agent/health/clock-check.ts';

const year = 365 * 86_400_000;
const evidence = {
  nowMs: 50 * year,
  provenMs: 50 * year,
  certificateFromMs: 49 * year,
  certificateToMs: 52 * year,
};

describe('clockSuspicion', () => {
  it('finds nothing in a clock that fits', () => {
    expect(clockSuspicion(evidence)).toBeUndefined();
    expect(clockSuspicion({ ...evidence, nowMs: evidence.nowMs - 59_000 })).toBeUndefined();
  });

  it('names both times when signed metadata proves a later one', () => {
    expect(clockSuspicion({ ...evidence, nowMs: 0 })).toMatch(/1970-01-01.*proves.*Set the clock/);
  });

  it('knows that enrolment came before now', () => {
    expect(clockSuspicion({ ...evidence, nowMs: 45 * year, provenMs: 0 })).toMatch(/enrolled at/);
  });

  it('says that a clock past the certificate is wrong, or the certificate over', () => {
    expect(clockSuspicion({ ...evidence, nowMs: 90 * year })).toMatch(
      /certificate expired at.*enrol the device again/,
    );
  });
});

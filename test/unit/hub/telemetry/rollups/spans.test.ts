import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coveringRows, dayMs, hourMs } from '../../../../../hub/telemetry/rollups/spans.ts';
import { limits } from '../../../../../shared/base/limits.ts';

const minuteMs = 60_000;
const now = 1_800_000_000_000;

describe('rows that cover a time', () => {
  it('are hours in the middle and minutes at the ends of a time with no whole day', () => {
    const midnight = Math.floor(now / dayMs) * dayMs;
    const toMs = midnight + 2 * hourMs + 3 * minuteMs;
    const fromMs = toMs - limits.telemetryDetailKeptMs;
    expect(coveringRows({ fromMs, toMs, now: toMs, finestMs: minuteMs })).toEqual([
      { spanMs: minuteMs, fromMs, toMs: midnight - 21 * hourMs },
      { spanMs: hourMs, fromMs: midnight - 21 * hourMs, toMs: midnight + 2 * hourMs },
      { spanMs: minuteMs, fromMs: midnight + 2 * hourMs, toMs },
    ]);
  });

  it('of a time that goes on are days as soon as they can be: what is still to come is in none of them', () => {
    const rows = coveringRows({ fromMs: now - 14 * dayMs, toMs: now + 1, now, finestMs: minuteMs });
    expect(rows.filter(({ spanMs }) => spanMs === minuteMs)).toEqual([]);
    expect(rows.at(-1)).toMatchObject({ spanMs: dayMs, toMs: Math.floor(now / dayMs) * dayMs + dayMs });
  });

  it('hold each instant of the time once, and nothing beyond the shortest spans that are kept of it', () => {
    const times = fc.tuple(
      fc.integer({ min: 0, max: 40 * dayMs }),
      fc.integer({ min: 1, max: 40 * dayMs }),
      fc.constantFrom(minuteMs, 5 * minuteMs, hourMs),
    );
    fc.assert(
      fc.property(times, ([ago, length, finestMs]) => {
        const fromMs = now - ago;
        const toMs = fromMs + length;
        const rows = coveringRows({ fromMs, toMs, now, finestMs });
        for (const [i, row] of rows.entries()) {
          expect(row.toMs).toBeGreaterThan(row.fromMs);
          expect([row.fromMs % row.spanMs, row.toMs % row.spanMs]).toEqual([0, 0]);
          if (i > 0) expect(row.fromMs).toBe(rows[i - 1]!.toMs);
        }
        expect(rows[0]!.fromMs).toBeLessThanOrEqual(fromMs);
        expect(fromMs - rows[0]!.fromMs).toBeLessThan(hourMs);
        expect(rows.at(-1)!.toMs).toBeGreaterThanOrEqual(Math.min(toMs, now));
        if (toMs <= now) expect(rows.at(-1)!.toMs - toMs).toBeLessThan(hourMs);
        expect(rows.length).toBeLessThanOrEqual(5);
      }),
    );
  });
});

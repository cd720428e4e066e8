import { describe, expect, it } from 'vitest';
import { LineEstimate } from '../../../../agent/download/line-estimate.ts';
import { limits } from '../../../../shared/base/limits.ts';

const make = () => new LineEstimate({ silenceMsMin: 15_000 });

describe('LineEstimate', () => {
  it('begins with all its credit and the shortest silence', () => {
    expect(make()).toMatchObject({ window: limits.chunksInFlightPerDevice, silenceMs: 15_000 });
  });

  it('figures mean and deviation as RFC 6298 does', () => {
    const line = make();
    line.arrived(limits.chunkBytes, 20_000);
    expect(line.silenceMs).toBe(20_000 + 4 * 10_000);
    line.arrived(limits.chunkBytes, 12_000);
    // Deviation 3/4 · 10 000 + 1/4 · 8 000, mean 7/8 · 20 000 + 1/8 · 12 000.
    expect(line.silenceMs).toBe(19_000 + 4 * 9_500);
  });

  it('has one chunk under way on a slow line and all its credit on a fast one', () => {
    const windows = [26_000, 4_400, 2_500, 50].map((ms) => {
      const line = make();
      line.arrived(limits.chunkBytes, ms);
      return line.window;
    });
    expect(windows).toEqual([1, 2, limits.chunksInFlightPerDevice, limits.chunksInFlightPerDevice]);
  });

  it('doubles the silence after each chunk that did not come, up to a bound, until one comes', () => {
    const line = make();
    line.timedOut();
    expect(line.silenceMs).toBe(30_000);
    for (let n = 0; n < 50; n += 1) line.timedOut();
    expect(line.silenceMs).toBe(limits.chunkSilenceMsMax);
    line.arrived(1_000, 100);
    expect(line.silenceMs).toBe(15_000);
  });

  it('does not take a small chunk for a slow line, nor a clock that stood still for an endless one', () => {
    const line = make();
    line.arrived(8, 600);
    expect(line.window).toBe(2);
    line.arrived(limits.chunkBytes, -5);
    expect(Number.isFinite(line.silenceMs)).toBe(true);
  });
});

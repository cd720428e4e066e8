import { DDSketch } from '@datadog/sketches-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencySketch, latencyKeys } from '../../../../shared/sketch/latency-sketch.ts';

const latencies = fc.array(fc.double({ min: 0.01, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 100 });

describe('latency sketch', () => {
  it('gives quantiles within 1 % of a value that was added', () => {
    const sketch = new LatencySketch();
    for (let i = 1; i <= 1_000; i += 1) sketch.add(i / 10);
    for (const quantile of [0.01, 0.5, 0.95, 0.99]) {
      const wanted = Math.floor(1 + quantile * 999) / 10;
      expect(Math.abs(sketch.quantileMs(quantile)! / wanted - 1)).toBeLessThan(0.0101);
    }
    expect(new LatencySketch().quantileMs(0.5)).toBeUndefined();
  });

  it('gives the quantiles the library gives', () => {
    fc.assert(
      fc.property(latencies, (values) => {
        const theirs = new DDSketch({ relativeAccuracy: 0.01 });
        for (const value of values) theirs.accept(value * 1_000);
        for (const quantile of [0, 0.1, 0.5, 0.95, 1]) {
          expect(sketchOf(values).quantileMs(quantile)).toBe(theirs.getValueAtQuantile(quantile) / 1_000);
        }
      }),
    );
  });

  it('merges exactly, in any order', () => {
    fc.assert(
      fc.property(fc.array(latencies, { minLength: 2, maxLength: 6 }), (windows) => {
        const whole = sketchOf(windows.flat()).bins();
        const forth = new LatencySketch();
        for (const window of windows) forth.merge(sketchOf(window).bins());
        const back = new LatencySketch();
        for (const window of windows.toReversed()) back.merge(sketchOf(window));
        expect(forth.bins()).toEqual(whole);
        expect(back.bins()).toEqual(whole);
      }),
    );
  });

  it('counts what took longer than a limit, give or take the 2 % of a bin', () => {
    fc.assert(
      fc.property(latencies, fc.double({ min: 0.01, max: 1e6, noNaN: true }), (values, limit) => {
        const above = sketchOf(values).countAbove(limit);
        expect(above).toBeLessThanOrEqual(values.filter((value) => value > limit).length);
        expect(above).toBeGreaterThanOrEqual(values.filter((value) => value > limit * 1.021).length);
      }),
    );
    expect(new LatencySketch().countAbove(1)).toBe(0);
  });

  it('stays within its bins whatever it is fed', () => {
    const sketch = new LatencySketch();
    for (const ms of [0, -5, 1e-9, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 1e300]) {
      sketch.add(ms);
    }
    expect(sketch.count).toBe(6);
    expect(sketch.first).toBe(latencyKeys.min);
    expect(sketch.counts).toHaveLength(latencyKeys.max - latencyKeys.min + 1);
  });
});

function sketchOf(values: readonly number[]): LatencySketch {
  const sketch = new LatencySketch();
  for (const value of values) sketch.add(value);
  return sketch;
}

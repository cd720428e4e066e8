import { DDSketch } from '@datadog/sketches-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../../shared/base/limits.ts';
import { LatencySketch } from '../../../../shared/sketch/latency-sketch.ts';

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

  it('merges to the same bytes in any order, through the wire or not', () => {
    fc.assert(
      fc.property(fc.array(latencies, { minLength: 2, maxLength: 6 }), (windows) => {
        const whole = sketchOf(windows.flat());
        const forth = new LatencySketch();
        for (const window of windows) forth.merge(LatencySketch.fromBytes(sketchOf(window).toBytes()));
        const back = new LatencySketch();
        for (const window of windows.toReversed()) back.merge(sketchOf(window));
        for (const quantile of [0, 0.25, 0.5, 0.9, 1]) {
          expect(forth.quantileMs(quantile)).toBe(whole.quantileMs(quantile));
          expect(back.quantileMs(quantile)).toBe(whole.quantileMs(quantile));
        }
        expect([forth.count, back.count]).toEqual([whole.count, whole.count]);
      }),
    );
  });

  it('stays below its size limit whatever it is fed', () => {
    const sketch = new LatencySketch();
    for (const ms of [0, -5, 1e-9, Number.POSITIVE_INFINITY, Number.NaN, 1e300]) sketch.add(ms);
    for (let ms = 1e-4; ms < 1e9; ms *= 1.01) sketch.add(ms);
    expect(sketch.toBytes().byteLength).toBeLessThan(limits.latencySketchBytesMax);
    expect(LatencySketch.fromBytes(sketch.toBytes()).count).toBe(sketch.count);
  });

  it('refuses bytes that are no such sketch', () => {
    const foreign = (accuracy: number, ...values: number[]) => {
      const sketch = new DDSketch({ relativeAccuracy: accuracy });
      for (const value of values) sketch.accept(value);
      return sketch.toProto();
    };
    const half = new DDSketch({ relativeAccuracy: 0.01 });
    half.accept(500, 0.5);
    for (const [bytes, why] of [
      [Uint8Array.of(1, 2, 3), 'no DDSketch'],
      [new Uint8Array(), 'no DDSketch'],
      [foreign(0.05, 500), 'relative accuracy'],
      [foreign(0.01, -500), 'positive'],
      [foreign(0.01, 0), 'positive'],
      [foreign(0.01, 1e200), 'bins 35 to 1260'],
      [half.toProto(), 'whole counts'],
    ] as const) {
      expect(() => LatencySketch.fromBytes(bytes), why).toThrow(why);
    }
    expect(() => LatencySketch.fromBytes(new Uint8Array(limits.latencySketchBytesMax + 1))).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    );
  });
});

function sketchOf(values: readonly number[]): LatencySketch {
  const sketch = new LatencySketch();
  for (const value of values) sketch.add(value);
  return sketch;
}

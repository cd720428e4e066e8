import { describe, expect, it } from 'vitest';
import { DecodedRollups } from '../../../../../hub/telemetry/rollups/decoded-rollups.ts';
import type { RollupRow } from '../../../../../hub/telemetry/rollups/rollup-store.ts';
import { RollupSums } from '../../../../../hub/telemetry/rollups/rollup-sums.ts';

function rowOf(spanAt: number, rows: number): RollupRow {
  const sums = new RollupSums();
  sums.replaceUnit([], [{ name: 'f', counts: [rows, 0], missing: 0 }]);
  const cell = { rolloutId: '', arm: 'rest', segment: '', group: 'north' } as const;
  return { model: 'air', version: '1.0.0', spanMs: 3_600_000, spanAt, cell, body: sums.encode() };
}

const rowsOf = (sums: RollupSums) => sums.features().get('f')?.classes.entries()[0]?.[1].counts[0];

describe('decoded rollups', () => {
  it('are decoded once while the row stays as it is, and again when it has changed', () => {
    const decoded = new DecodedRollups();
    const first = decoded.of(rowOf(0, 5));
    expect(decoded.of(rowOf(0, 5))).toBe(first);
    expect(rowsOf(decoded.of(rowOf(0, 6)))).toBe(6);
    expect(rowsOf(decoded.of(rowOf(0, 5)))).toBe(5);
    expect(rowsOf(decoded.of(rowOf(3_600_000, 7)))).toBe(7);
  });

  it('do not change when they are added to others', () => {
    const decoded = new DecodedRollups();
    const sums = new RollupSums();
    for (let i = 0; i < 3; i += 1) sums.add(decoded.of(rowOf(0, 5)));
    expect(rowsOf(sums)).toBe(15);
    expect(rowsOf(decoded.of(rowOf(0, 5)))).toBe(5);
  });

  it('keep those used last within their bytes', () => {
    const size = rowOf(0, 5).body.byteLength;
    const decoded = new DecodedRollups(2 * size);
    const [a, b] = [decoded.of(rowOf(0, 5)), decoded.of(rowOf(1, 5))];
    expect(decoded.of(rowOf(0, 5))).toBe(a);
    decoded.of(rowOf(2, 5));
    expect(decoded.of(rowOf(0, 5))).toBe(a);
    expect(decoded.of(rowOf(1, 5))).not.toBe(b);
  });
});

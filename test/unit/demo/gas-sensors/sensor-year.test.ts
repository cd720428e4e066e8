import { describe, expect, it } from 'vitest';
import { ProfileBuilder } from '../../../../cli/packing/reference-profile.ts';
import {
  channels,
  readingsBetween,
  temperatureColumn,
  withAllSensors,
  withReference,
} from '../../../../demo/gas-sensors/reading.ts';
import { hourCount, sensorYear } from '../../../../demo/gas-sensors/sensor-year.ts';
import { encodeNumbers } from '../../../../shared/inference/tensor-values.ts';
import { HistogramCounts } from '../../../../shared/sketch/histogram-counts.ts';

const year = sensorYear(2);

describe('sensorYear()', () => {
  it('gives the same year for the same seed, another for another', () => {
    expect(sensorYear(2)).toEqual(year);
    expect(sensorYear(3)).not.toEqual(year);
  });

  it('has an hourly reading for each hour, some without sensors, some without reference', () => {
    expect(year).toHaveLength(hourCount);
    expect(year[1]!.at - year[0]!.at).toBe(3_600_000);
    const silent = 1 - withAllSensors(year).length / year.length;
    expect(silent).toBeGreaterThan(0.01);
    expect(silent).toBeLessThan(0.1);
    expect(withReference(year).length / year.length).toBeGreaterThan(0.7);
  });

  it('stays within what such sensors show', () => {
    for (const { sensors, coMgM3 } of withReference(year)) {
      expect(sensors).toHaveLength(channels.length);
      for (const value of sensors.slice(0, 5)) expect(value).toBeGreaterThan(100);
      for (const value of sensors.slice(0, 5)) expect(value).toBeLessThan(4_000);
      expect(sensors[6]).toBeLessThanOrEqual(98);
      expect(coMgM3).toBeGreaterThan(0);
    }
  });

  it('drifts: winter has PSI above 0.25 on temperature against the spring profile', () => {
    expect(psiOfTemperature('2005-01-01', '2005-02-01')).toBeGreaterThan(0.25);
    expect(psiOfTemperature('2004-04-01', '2004-06-01')).toBeLessThan(0.25);
  });
});

/** Population stability index, Σ (p − q)·ln(p/q), cells of no count taken as half a row. */
function psiOfTemperature(from: string, to: string): number {
  const spring = withAllSensors(readingsBetween(year, '2004-03-01', '2004-06-01'));
  const values = spring.map(({ sensors }) => sensors[temperatureColumn]!);
  const builder = new ProfileBuilder([
    { name: 'T', role: 'input', source: { tensor: 'x', column: 0 }, kind: 'numeric' },
  ]);
  const data = encodeNumbers('FP64', values);
  builder.add('input', [{ name: 'x', datatype: 'FP64', shape: [values.length, 1], data }]);
  const profile = builder.build({ rows: values.length, cells: 20 }).profile.features[0]!;
  if (profile.kind !== 'numeric') throw new Error('expected a numeric profile');
  const seen = new HistogramCounts(profile.edges);
  for (const { sensors } of withAllSensors(readingsBetween(year, from, to)))
    seen.add(sensors[temperatureColumn]!);
  const share = (counts: readonly number[], i: number) =>
    Math.max(counts[i]!, 0.5) / counts.reduce((a, b) => a + b, 0);
  return profile.counts.reduce((sum, _, i) => {
    const [p, q] = [share(seen.counts, i), share(profile.counts, i)];
    return sum + (p - q) * Math.log(p / q);
  }, 0);
}

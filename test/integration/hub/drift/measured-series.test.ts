/** Drift verdicts over measured series, as `npm run simulate:series` counts them. Runs where MODELFLEET_TEST_DATA names the folder of test data. */
import { describe, expect, it } from 'vitest';
import { countAirQuality } from '../../../simulation/series/air-quality.ts';
import { countNab } from '../../../simulation/series/nab-sensors.ts';

const data = process.env['MODELFLEET_TEST_DATA'] ?? '';

describe.skipIf(data === '')('drift of measured series (MODELFLEET_TEST_DATA)', () => {
  it('raises no alarm on a healthy machine whose ordered sample tells how slowly it moves', async () => {
    const counts = await countNab(data);
    const ordered = counts.filter(({ isOrdered }) => isOrdered);
    expect(ordered.reduce((sum, { healthy }) => sum + healthy, 0)).toBeGreaterThan(300);
    expect(ordered.map(({ falseAlarms }) => falseAlarms)).toEqual(ordered.map(() => 0));
    const plain = counts.filter(({ isOrdered }) => !isOrdered);
    expect(plain.reduce((sum, { hits }) => sum + hits, 0)).toBeGreaterThan(0);
  });

  it('finds the drift of the gas sensors after the months that the model was trained on, and its error with labels', async () => {
    const months = await countAirQuality(data);
    const [trained, later] = [months.slice(0, 3), months.slice(3)];
    const isAlarm = (verdict: string) => verdict === 'watch' || verdict === 'drift';
    expect(trained.flatMap(({ verdicts }) => verdicts).filter(isAlarm)).toEqual([]);
    expect(trained.flatMap(({ verdictsOrdered }) => verdictsOrdered).filter(isAlarm)).toEqual([]);
    expect(later.filter(({ verdicts }) => verdicts.some(isAlarm)).length).toBe(later.length);
    const error = (of: typeof months) => of.reduce((sum, one) => sum + one.error, 0) / of.length;
    expect(error(later)).toBeGreaterThan(1.5 * error(trained));
  });
});
